//! What the TmdbClientActor is asked and answers.

use std::{sync::Arc, time::Duration};

use actix::Message;

use crate::{
    domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage, TraceParent},
    ports::MetadataError,
    supervision::ActorError,
};

/// A request; equal ones in flight share one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TmdbRequest {
    Genres,
    EnglishGenres,
    Discover { genre: GenreId, page: u32 },
    Search { text: String, page: u32 },
    Movie(MovieId),
}

impl TmdbRequest {
    /// For log lines, which do not hold what somebody searched for.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Genres | Self::EnglishGenres => "genres",
            Self::Discover { .. } => "discover",
            Self::Search { .. } => "search",
            Self::Movie(_) => "movie",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum TmdbAnswer {
    Genres(Arc<Vec<ListedGenre>>),
    Page(Arc<MoviePage>),
    Movie(Option<Arc<Movie>>),
}

/// TMDb did not give what was asked, after every retry that makes sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TmdbError {
    /// Its last answer.
    #[error(transparent)]
    Source(#[from] MetadataError),
    /// It has failed too often lately and is not being asked.
    #[error("the metadata source has failed too often and is left alone for {retry_after:?}")]
    CircuitOpen {
        /// When it is asked again.
        retry_after: Duration,
    },
    /// The actor did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

impl TmdbError {
    /// How long to wait before asking again makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Source(MetadataError::RateLimited { retry_after: Some(wait) })
            | Self::CircuitOpen { retry_after: wait } => *wait,
            Self::Source(_) => Duration::from_secs(5),
            Self::Actor(_) => Duration::from_secs(1),
        }
    }
}

#[derive(Message)]
#[rtype(result = "Result<TmdbAnswer, TmdbError>")]
pub(super) struct Fetch {
    pub(super) request: TmdbRequest,
    /// The trace of whoever asks; that of the first where several share an answer.
    pub(super) trace: Option<TraceParent>,
}

/// Ask once, to see whether a source that was left alone works again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Probe;
