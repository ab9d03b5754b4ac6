//! Where genres and movies come from.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage};

/// The source did not give what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Too many requests; with the time that it asked us to wait, if it did.
    #[error("the metadata source asks for patience")]
    RateLimited {
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The key is wrong or has been withdrawn: trying again does not help.
    #[error("the metadata source refuses the key")]
    Unauthorized,
    /// It refuses the request as such, a page beyond its last for instance.
    #[error("the metadata source refuses the request: {0}")]
    Refused(String),
    /// It cannot be reached, fails, or is too slow.
    #[error("the metadata source is unavailable: {0}")]
    Unavailable(String),
    /// It answered something that is not what it documents.
    #[error("the metadata source answered something unreadable: {0}")]
    Malformed(String),
}

impl MetadataError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable(_) | Self::Malformed(_))
    }

    /// A stable word for logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// TMDb, or something that answers as it would.
#[async_trait]
pub trait MetadataSource: Send + Sync {
    /// Every genre, in the catalogue's language; never empty.
    async fn genres(&self) -> Result<Vec<ListedGenre>, MetadataError>;

    /// Every genre in English, for names that the catalogue's language does not have.
    async fn english_genres(&self) -> Result<Vec<ListedGenre>, MetadataError>;

    /// A page (from 1, at most 500, of 20 rows) of a genre's movies, most popular first.
    async fn discover(&self, genre: GenreId, page: u32) -> Result<MoviePage, MetadataError>;

    /// A page (from 1, at most 500, of 20 rows) of movies found by a text.
    async fn search(&self, text: &str, page: u32) -> Result<MoviePage, MetadataError>;

    /// A movie with its details; `None` when the source has no such movie.
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, MetadataError>;
}
