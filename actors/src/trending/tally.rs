//! What was counted and not yet stored.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::domain::{Hour, MovieId, Timestamp};

/// What reading a movie's details counts.
const VIEW: u64 = 1;
/// What marking a movie as watched counts.
const MARK: u64 = 5;
/// Movies (by the hour) that wait to be stored; beyond that, new ones are dropped.
const MOST: usize = 100_000;

/// Scores by hour and movie that wait to be stored. Outlives the actor; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    scores: Mutex<HashMap<(Hour, MovieId), u64>>,
    views: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    /// A movie's details were read.
    pub(super) fn viewed(&self, movie: MovieId, at: Timestamp) {
        self.0.views.fetch_add(1, Ordering::Relaxed);
        self.add(Hour::of(at), movie, VIEW);
    }

    /// A movie was marked as watched.
    pub(crate) fn marked(&self, movie: MovieId, at: Timestamp) {
        self.add(Hour::of(at), movie, MARK);
    }

    /// Also gives back what could not be stored.
    pub(super) fn add(&self, hour: Hour, movie: MovieId, score: u64) {
        let mut scores = self.lock();
        let room = scores.len() < MOST;
        match scores.get_mut(&(hour, movie)) {
            Some(sum) => *sum = sum.saturating_add(score),
            None if room => _ = scores.insert((hour, movie), score),
            None => _ = self.0.dropped.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Takes everything out, by hour.
    pub(super) fn take(&self) -> BTreeMap<Hour, Vec<(MovieId, u64)>> {
        let mut hours: BTreeMap<Hour, Vec<(MovieId, u64)>> = BTreeMap::new();
        for ((hour, movie), score) in std::mem::take(&mut *self.lock()) {
            hours.entry(hour).or_default().push((movie, score));
        }
        hours
    }

    /// How many movies (by the hour) wait to be stored.
    pub(super) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Views that were counted since the start.
    pub(super) fn views(&self) -> u64 {
        self.0.views.load(Ordering::Relaxed)
    }

    /// Counts that found no room since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Hour, MovieId), u64>> {
        self.0.scores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_goes_on_counting_what_it_has() {
        let tally = Tally::default();
        let movie = |number: usize| MovieId::try_from(number as i64).unwrap();
        let now = Timestamp::EPOCH;
        for number in 1..=MOST + 10 {
            tally.viewed(movie(number), now);
        }
        tally.marked(movie(1), now);
        assert_eq!((tally.waiting(), tally.dropped()), (MOST, 10));
        let taken = tally.take().remove(&Hour::of(now)).unwrap();
        assert!(taken.contains(&(movie(1), VIEW + MARK)));
        assert_eq!(tally.waiting(), 0);
    }
}
