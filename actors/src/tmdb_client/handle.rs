//! The way to the TmdbClientActor.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;

use super::{
    CircuitState, TmdbError,
    actor::TmdbClientActor,
    messages::{Fetch, TmdbAnswer, TmdbRequest},
    pace::Pace,
};
use crate::{
    domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage, RemoteGenre, named_genres},
    ports::{MetadataError, MetadataSource, current_trace},
    supervision::{ActorRef, ActorSpec},
};

/// What has become of requests to TMDb since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TmdbStatus {
    /// Whether it is being asked.
    pub circuit: CircuitState,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that failed, those below included.
    pub failures: u64,
    /// Requests that it answered with 429.
    pub rate_limited: u64,
    /// Answers that could not be read.
    pub malformed: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that got the answer of an equal one in flight.
    pub coalesced: u64,
    /// Requests a second that it may be sent; no limit when `None`.
    pub rate: Option<NonZeroU32>,
    /// Requests that wait for their turn now.
    pub waiting: u64,
    /// For how long nobody asks, since it asked for patience.
    pub paused_for: Duration,
}

#[derive(Debug, Default)]
pub(super) struct CircuitCell(AtomicU8);

impl CircuitCell {
    pub(super) fn set(&self, state: CircuitState) {
        self.0.store(state as u8, Ordering::Relaxed);
    }

    fn get(&self) -> CircuitState {
        match self.0.load(Ordering::Relaxed) {
            open if open == CircuitState::Open as u8 => CircuitState::Open,
            half if half == CircuitState::HalfOpen as u8 => CircuitState::HalfOpen,
            _ => CircuitState::Closed,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) circuit: CircuitCell,
    pub(super) requests: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) coalesced: AtomicU64,
    failures: AtomicU64,
    rate_limited: AtomicU64,
    malformed: AtomicU64,
}

impl Counters {
    pub(super) fn failed(&self, error: &MetadataError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        match error {
            MetadataError::RateLimited { .. } => self.rate_limited.fetch_add(1, Ordering::Relaxed),
            MetadataError::Malformed(_) => self.malformed.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

/// Asks TMDb. Cheap to clone.
#[derive(Clone)]
pub struct TmdbClientHandle {
    actor: ActorRef<TmdbClientActor>,
    counters: Arc<Counters>,
    pace: Arc<Pace>,
}

impl TmdbClientHandle {
    /// Starts the actor; `per_second` requests at most, no limit when `None`.
    pub fn start(
        arbiter: &ArbiterHandle,
        source: Arc<dyn MetadataSource>,
        per_second: Option<NonZeroU32>,
    ) -> Self {
        let spec = ActorSpec {
            name: "tmdb_client",
            max_under_way: 512,
            // Longer than all attempts at one request with the adapter's own time-outs.
            deadline: Duration::from_secs(45),
        };
        // Outlives the actor, so that a rebuilt one keeps to the same rate.
        let pace = Arc::new(Pace::new(per_second));
        let counters = Arc::new(Counters::default());
        let (shared, paced) = (Arc::clone(&counters), Arc::clone(&pace));
        let actor = ActorRef::start(arbiter, spec, move |life| {
            TmdbClientActor::new(life, Arc::clone(&source), Arc::clone(&paced), Arc::clone(&shared))
        });
        Self { actor, counters, pace }
    }

    async fn fetch(&self, request: TmdbRequest) -> Result<TmdbAnswer, TmdbError> {
        self.actor.call(Fetch { request, trace: current_trace() }).await?
    }

    /// Every genre, each with a name; never empty. English is asked for only where the catalogue's
    /// language has no name, and takes a turn of its own.
    ///
    /// # Errors
    /// [`TmdbError`].
    pub async fn genres(&self) -> Result<Vec<RemoteGenre>, TmdbError> {
        let listed = self.list_genres(TmdbRequest::Genres).await?;
        if listed.iter().all(|genre| genre.name.is_some()) {
            return Ok(named_genres(&listed, &[]));
        }
        let english = self.list_genres(TmdbRequest::EnglishGenres).await?;
        Ok(named_genres(&listed, &english))
    }

    async fn list_genres(&self, request: TmdbRequest) -> Result<Arc<Vec<ListedGenre>>, TmdbError> {
        match self.fetch(request).await? {
            TmdbAnswer::Genres(genres) => Ok(genres),
            _ => Err(mismatch()),
        }
    }

    /// A page (from 1) of a genre's movies, most popular first.
    ///
    /// # Errors
    /// [`TmdbError`].
    pub async fn discover(&self, genre: GenreId, page: u32) -> Result<Arc<MoviePage>, TmdbError> {
        match self.fetch(TmdbRequest::Discover { genre, page }).await? {
            TmdbAnswer::Page(page) => Ok(page),
            _ => Err(mismatch()),
        }
    }

    /// A page (from 1) of movies found by a text.
    ///
    /// # Errors
    /// [`TmdbError`].
    pub async fn search(&self, text: &str, page: u32) -> Result<Arc<MoviePage>, TmdbError> {
        match self.fetch(TmdbRequest::Search { text: text.to_owned(), page }).await? {
            TmdbAnswer::Page(page) => Ok(page),
            _ => Err(mismatch()),
        }
    }

    /// A movie with its details; `None` when TMDb has no such movie.
    ///
    /// # Errors
    /// [`TmdbError`].
    pub async fn movie(&self, id: MovieId) -> Result<Option<Arc<Movie>>, TmdbError> {
        match self.fetch(TmdbRequest::Movie(id)).await? {
            TmdbAnswer::Movie(movie) => Ok(movie),
            _ => Err(mismatch()),
        }
    }

    /// Counts and the circuit.
    #[must_use]
    pub fn status(&self) -> TmdbStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TmdbStatus {
            circuit: self.counters.circuit.get(),
            requests: read(&self.counters.requests),
            failures: read(&self.counters.failures),
            rate_limited: read(&self.counters.rate_limited),
            malformed: read(&self.counters.malformed),
            retries: read(&self.counters.retries),
            coalesced: read(&self.counters.coalesced),
            rate: self.pace.rate(),
            waiting: self.pace.waiting(),
            paused_for: self.pace.paused_for().unwrap_or_default(),
        }
    }
}

crate::supervision::watched_over!(TmdbClientHandle);

/// The actor answers each request with its own kind; this is for the compiler alone.
fn mismatch() -> TmdbError {
    MetadataError::Malformed("the answer is of another kind than the request".to_owned()).into()
}
