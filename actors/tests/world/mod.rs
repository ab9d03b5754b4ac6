//! A whole process over stores and sources in memory, on tokio's clock, which stands still until
//! everybody waits.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use async_trait::async_trait;
use tokio::{
    sync::{Notify, broadcast::Receiver},
    time::{pause, timeout},
};
use watchme_actors::{
    Handles, Ports, Settings,
    changes::Applied,
    domain::{
        EntitlementMode, EventId, Genre, GenreId, Movie, MovieDetails, MovieId, Timestamp, UserId,
    },
    ports::{Backlog, Catalogue, GenreStore, Outbox, OutboxRow, StoreError},
    testing::{
        contracts::catalogue::samples::{details, movie},
        fakes::{
            DrivenClock, MemoryBus, MemoryDocuments, MemoryLease, MemoryViews, RecordingChanges,
            ScriptedHoldings, ScriptedHousekeeping, ScriptedMarks, ScriptedMetadata,
        },
    },
};

pub(crate) struct World {
    pub(crate) changes: RecordingChanges,
    pub(crate) documents: MemoryDocuments,
    pub(crate) metadata: ScriptedMetadata,
    pub(crate) held: ScriptedHoldings,
    pub(crate) lease: MemoryLease,
    pub(crate) handles: Handles,
    pub(crate) applied: Receiver<Applied>,
    pub(crate) user: UserId,
}

impl World {
    pub(crate) fn new() -> Self {
        pause();
        let (changes, documents) = (RecordingChanges::new(), MemoryDocuments::new());
        let metadata = ScriptedMetadata::new();
        let (held, lease) = (ScriptedHoldings::new(), MemoryLease::new());
        let ports = Ports {
            packages: Arc::new(held.clone()),
            subscriptions: Arc::new(held.clone()),
            watch_log: Arc::new(ScriptedMarks::new()),
            outbox: Arc::new(NoEvents),
            lease: Arc::new(lease.clone()),
            housekeeping: Arc::new(ScriptedHousekeeping::new()),
            mails: None,
            catalogue: Arc::new(documents.clone()),
            genres: Arc::new(documents.clone()),
            reports: Arc::new(documents.clone()),
            sync_log: Arc::new(documents.clone()),
            trending: Arc::new(documents.clone()),
            metadata: Arc::new(metadata.clone()),
            bus: Arc::new(MemoryBus::new()),
            changes: Arc::new(changes.clone()),
            views: Arc::new(MemoryViews::new()),
            clock: Arc::new(DrivenClock::default()),
        };
        let settings = Settings {
            genre_sync_interval: Duration::from_secs(7_200),
            catalogue_pages: 1,
            tmdb_rate: None,
            movie_ttl: Duration::from_secs(300),
            entitlement_mode: EntitlementMode::Any,
            entitlement_max_age: Duration::from_secs(60),
            entitlement_max_age_alone: Duration::from_secs(2),
            audit_retention: Duration::from_secs(86_400),
        };
        let handles = watchme_actors::start(&Arbiter::current(), ports, settings);
        let applied = handles.applied();
        let user = UserId::generate();
        Self { changes, documents, metadata, held, lease, handles, applied, user }
    }

    pub(crate) async fn store_genre(&self, name: &str) {
        let genre = Genre {
            id: genre_id(),
            name: name.to_owned(),
            retired: false,
            updated_at: Timestamp::EPOCH,
        };
        self.documents.save_genres(&[genre]).await.unwrap();
    }

    pub(crate) fn genre_name(&self) -> String {
        self.handles.genres.list().name(genre_id())
    }

    pub(crate) async fn store_movie(&self, title: &str) {
        let movie = Movie {
            title: title.to_owned(),
            details: Some(MovieDetails { fetched_at: now(), ..details() }),
            fetched_at: now(),
            ..movie(1, &[1])
        };
        self.documents.upsert(&[movie]).await.unwrap();
    }

    pub(crate) async fn title(&self, id: MovieId) -> String {
        self.handles.movies.details(id).await.unwrap().movie.title.clone()
    }

    pub(crate) async fn entitled(&self) -> usize {
        self.handles.entitlements.of(self.user).await.unwrap().entitlement.genres.len()
    }

    pub(crate) async fn told(&mut self) -> Applied {
        timeout(Duration::from_secs(5), self.applied.recv()).await.expect("in time").unwrap()
    }
}

pub(crate) fn genre_id() -> GenreId {
    GenreId::try_from(1).unwrap()
}

/// What the driven clock shows at its start.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000)
}

struct NoEvents;

#[async_trait]
impl Outbox for NoEvents {
    fn committed(&self) -> Arc<Notify> {
        Arc::default()
    }

    async fn unpublished(&self, _: u32) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn mark_published(&self, _: &[i64], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn bury(&self, _: EventId, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn republish(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        Ok(Backlog::default())
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}
