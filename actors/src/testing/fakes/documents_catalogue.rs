//! The catalogue in memory: [`MovieQuery::matches`] and a sort.

use std::{cmp::Ordering, collections::BTreeSet, ops::Bound};

use async_trait::async_trait;

use super::MemoryDocuments;
use crate::{
    domain::{
        Movie, MovieDetails, MovieId, MovieQuery, MovieRow, MovieSort, MovieSortKey, Page,
        PageRequest, Timestamp,
    },
    ports::{Catalogue, StoreError},
};

#[async_trait]
impl Catalogue for MemoryDocuments {
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        Ok(self.state()?.movies.get(&id).cloned())
    }

    async fn by_ids(&self, ids: &[MovieId]) -> Result<Vec<Movie>, StoreError> {
        let state = self.state()?;
        Ok(ids.iter().filter_map(|id| state.movies.get(id).cloned()).collect())
    }

    async fn movies(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Page<Movie>, StoreError> {
        let state = self.state()?;
        let mut found: Vec<&Movie> =
            state.movies.values().filter(|movie| query.matches(movie)).collect();
        // Stable, and the map gives them by ascending id: ties need nothing more.
        found.sort_by(|one, other| compare(query.sort, one, other));
        Ok(Page::cut(found.into_iter(), page).map(Movie::clone))
    }

    async fn upsert(&self, movies: &[Movie]) -> Result<Vec<MovieId>, StoreError> {
        let mut state = self.state()?;
        let before = state.movies.clone();
        let mut changed = Vec::new();
        for movie in movies {
            let stored = state.movies.get(&movie.id);
            if stored.is_some_and(|stored| stored.fetched_at > movie.fetched_at) {
                continue;
            }
            let mut next = movie.clone();
            if next.details.is_none() {
                next.details = stored.and_then(|stored| stored.details.clone());
            }
            state.movies.insert(next.id, next);
            changed.push(movie.id);
        }
        changed.sort_unstable();
        changed.dedup();
        changed.retain(|id| before.get(id).map(facts) != state.movies.get(id).map(facts));
        Ok(changed)
    }

    async fn remove(&self, movies: &[MovieId]) -> Result<(), StoreError> {
        self.state()?.movies.retain(|id, _| !movies.contains(id));
        Ok(())
    }

    async fn fetched_before(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<MovieId>, StoreError> {
        let state = self.state()?;
        let mut found: Vec<&Movie> =
            state.movies.values().filter(|movie| movie.fetched_at < before).collect();
        found.sort_by_key(|movie| movie.fetched_at);
        Ok(found.into_iter().take(limit as usize).map(|movie| movie.id).collect())
    }

    async fn rows_after(
        &self,
        after: Option<MovieId>,
        limit: u32,
    ) -> Result<Vec<MovieRow>, StoreError> {
        let state = self.state()?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = state.movies.range((from, Bound::Unbounded)).take(limit as usize);
        Ok(rows.map(|(_, movie)| movie.into()).collect())
    }

    async fn rows_of(&self, ids: &[MovieId]) -> Result<Vec<MovieRow>, StoreError> {
        let state = self.state()?;
        let ids: BTreeSet<&MovieId> = ids.iter().collect();
        Ok(ids.into_iter().filter_map(|id| state.movies.get(id)).map(MovieRow::from).collect())
    }

    async fn count(&self) -> Result<u64, StoreError> {
        Ok(self.state()?.movies.len() as u64)
    }
}

fn compare(sort: MovieSort, one: &Movie, other: &Movie) -> Ordering {
    let ascending = match sort.key {
        MovieSortKey::Popularity => one.popularity.total_cmp(&other.popularity),
        MovieSortKey::Rating => one.vote_average.total_cmp(&other.vote_average),
        MovieSortKey::ReleaseDate => one.release_date.cmp(&other.release_date),
        MovieSortKey::Title => one.title.to_lowercase().cmp(&other.title.to_lowercase()),
    };
    if sort.descending { ascending.reverse() } else { ascending }
}

/// A movie without the moments at which it was fetched.
fn facts(movie: &Movie) -> Movie {
    let details = movie
        .details
        .clone()
        .map(|details| MovieDetails { fetched_at: Timestamp::EPOCH, ..details });
    Movie { details, fetched_at: Timestamp::EPOCH, ..movie.clone() }
}
