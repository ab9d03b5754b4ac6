//! Which movies have changed.

use std::collections::BTreeSet;

use crate::{domain::MovieId, ports::Change};

/// From this many on, reading all is not much dearer, and telling of all much cheaper.
const MANY: usize = 1_000;

/// Movies that have changed and were not read since: single ones, or all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    all: bool,
    movies: BTreeSet<MovieId>,
}

impl Changed {
    /// Adds what a change is about, if that is movies.
    pub(crate) fn add(&mut self, change: Change) {
        match change {
            Change::Movie(id) if !self.all => drop(self.movies.insert(id)),
            Change::AllMovies => self.all = true,
            _ => {}
        }
        self.all |= self.movies.len() >= MANY;
        if self.all {
            self.movies.clear();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.movies.is_empty()
    }

    pub(crate) fn is_all(&self) -> bool {
        self.all
    }

    /// Single movies; none where it is all.
    pub(crate) fn movies(&self) -> impl Iterator<Item = MovieId> + '_ {
        self.movies.iter().copied()
    }

    /// What there is to be told of.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let all = self.all.then_some(Change::AllMovies);
        all.into_iter().chain(self.movies().map(Change::Movie))
    }
}

impl FromIterator<Change> for Changed {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut changed = Self::default();
        changes.into_iter().for_each(|change| changed.add(change));
        changed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn movie(number: usize) -> Change {
        Change::Movie(MovieId::try_from(i64::try_from(number).unwrap()).unwrap())
    }

    #[test]
    fn movies_count_once_and_many_of_them_are_all() {
        let mut changed: Changed =
            [movie(2), Change::Genres, movie(1), movie(2)].into_iter().collect();
        assert!(changed.changes().eq([movie(1), movie(2)]));
        (1..=MANY).for_each(|number| changed.add(movie(number)));
        assert!(changed.is_all() && changed.changes().eq([Change::AllMovies]));
        changed.add(movie(7));
        assert_eq!(changed.movies().count(), 0);
    }

    #[test]
    fn what_is_about_no_movie_is_nothing() {
        assert!([Change::Genres].into_iter().collect::<Changed>().is_empty());
        assert!(![Change::AllMovies].into_iter().collect::<Changed>().is_empty());
    }
}
