//! The way to the TrendingActor, and to what it publishes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;
use quick_cache::sync::Cache;

use super::{
    actor::{TrendingActor, Work},
    films::TrendingFilms,
    messages::{Drain, RefreshNow, TrendingError},
    tally::Tally,
};
use crate::{
    domain::{MovieId, Timestamp, UserId},
    ports::{Catalogue, Clock, ProcessLeases, TrendingStore, ViewFeed},
    published::Published,
    supervision::{ActorRef, ActorSpec},
};

/// A user who reads a movie's details again within this is not counted again.
const ONCE_IN: Duration = Duration::from_secs(3_600);
/// Views that are remembered, so that they are not counted again.
const REMEMBERED: usize = 100_000;

/// What the actor works with.
#[derive(Clone)]
pub struct TrendingPorts {
    /// Views on their way.
    pub views: Arc<dyn ViewFeed>,
    /// Scores.
    pub store: Arc<dyn TrendingStore>,
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// Which replica deletes what is old.
    pub leases: ProcessLeases,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrendingStatus {
    /// Views that this replica has counted, its own and those handed to it.
    pub views: u64,
    /// Views that were not counted, because the same user had viewed the movie within an hour.
    pub repeated: u64,
    /// Counts that were dropped, because too many movies waited to be stored.
    pub dropped: u64,
    /// Movies (by the hour) whose counts wait to be stored.
    pub waiting: usize,
}

/// Tells of views and reads trending films. Cheap to clone.
#[derive(Clone)]
pub struct TrendingHandle {
    actor: ActorRef<TrendingActor>,
    views: Arc<dyn ViewFeed>,
    clock: Arc<dyn Clock>,
    tally: Tally,
    films: Arc<Published<TrendingFilms>>,
    seen: Arc<Cache<(UserId, MovieId), Timestamp>>,
    repeated: Arc<AtomicU64>,
}

impl TrendingHandle {
    /// Starts the actor on an arbiter. Marks come in through the tally.
    pub fn start(arbiter: &ArbiterHandle, ports: TrendingPorts, tally: Tally) -> Self {
        let films = Arc::new(Published::new(TrendingFilms::default()));
        let (views, clock) = (Arc::clone(&ports.views), Arc::clone(&ports.clock));
        let work = Work { ports, tally: tally.clone(), films: Arc::clone(&films) };
        let spec =
            ActorSpec { name: "trending", max_under_way: 16, deadline: Duration::from_secs(10) };
        let actor =
            ActorRef::start(arbiter, spec, move |life| TrendingActor::new(life, work.clone()));
        let seen = Arc::new(Cache::new(REMEMBERED));
        Self { actor, views, clock, tally, films, seen, repeated: Arc::default() }
    }

    /// A user has read a movie's details. Returns at once and never fails; of a user's views of a
    /// movie within an hour, this replica counts the first.
    pub fn viewed(&self, user: UserId, movie: MovieId) {
        let now = self.clock.now();
        let counted = self.seen.get(&(user, movie)).is_some_and(|at| now.since(at) < ONCE_IN);
        if counted {
            self.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.seen.insert((user, movie), now);
        self.views.viewed(movie);
    }

    /// The trending films as they were last read.
    #[must_use]
    pub fn films(&self) -> Arc<TrendingFilms> {
        self.films.get()
    }

    /// How often they were read: what is made of them after this was read is of the latest ones
    /// for as long as this stays the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.films.generation()
    }

    /// Stores what this replica has counted and reads the trending films, both now.
    ///
    /// # Errors
    /// [`TrendingError`]; what was counted and what was read last are kept.
    pub async fn refresh_now(&self) -> Result<(), TrendingError> {
        self.actor.call(RefreshNow).await?
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> TrendingStatus {
        TrendingStatus {
            views: self.tally.views(),
            repeated: self.repeated.load(Ordering::Relaxed),
            dropped: self.tally.dropped(),
            waiting: self.tally.waiting(),
        }
    }

    /// Stores what was counted.
    ///
    /// # Errors
    /// [`TrendingError`].
    pub(crate) async fn drain(&self) -> Result<(), TrendingError> {
        self.actor.call(Drain).await?
    }
}

crate::supervision::watched_over!(TrendingHandle);
