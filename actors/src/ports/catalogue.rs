//! The stored catalogue.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    Genre, GenreList, Movie, MovieId, MovieQuery, MovieRow, Page, PageRequest, Timestamp,
};

/// The store of movies.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// One movie.
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError>;

    /// The stored ones of several movies, in the order asked. One that cannot be read is left out.
    async fn by_ids(&self, ids: &[MovieId]) -> Result<Vec<Movie>, StoreError>;

    /// A page of the movies that [`MovieQuery::matches`], in the query's order, ties by ascending
    /// id, with the exact count.
    async fn movies(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Page<Movie>, StoreError>;

    /// Stores movies, each whole or not at all. A movie that comes without details keeps those
    /// that are stored; one that is older than what is stored (by `fetched_at`) is left out.
    /// Returns the ids of those whose visible facts have changed or are new, or may have changed
    /// in an earlier call here that failed half-way.
    async fn upsert(&self, movies: &[Movie]) -> Result<Vec<MovieId>, StoreError>;

    /// Forgets movies.
    async fn remove(&self, movies: &[MovieId]) -> Result<(), StoreError>;

    /// Movies that the source last confirmed before `before`, the longest ago first.
    async fn fetched_before(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<MovieId>, StoreError>;

    /// What lists are made of: the rows after a movie (from the first on when `None`), by
    /// ascending id, at most `limit`. One that cannot be read is left out; there are no more when
    /// none comes.
    async fn rows_after(
        &self,
        after: Option<MovieId>,
        limit: u32,
    ) -> Result<Vec<MovieRow>, StoreError>;

    /// The rows of the stored ones of several movies, by ascending id. One that cannot be read is
    /// left out.
    async fn rows_of(&self, ids: &[MovieId]) -> Result<Vec<MovieRow>, StoreError>;

    /// How many movies are stored.
    async fn count(&self) -> Result<u64, StoreError>;
}

/// The store of genres.
#[async_trait]
pub trait GenreStore: Send + Sync {
    /// All genres, retired ones included.
    async fn genres(&self) -> Result<GenreList, StoreError>;

    /// Stores genres by id.
    async fn save_genres(&self, genres: &[Genre]) -> Result<(), StoreError>;
}
