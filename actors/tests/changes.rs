//! Changes: whoever is told of one reads what is true after it, and while nobody is told, what is
//! remembered does not count for long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use async_trait::async_trait;
use tokio::{
    sync::{Notify, broadcast::Receiver},
    time::{pause, sleep, timeout},
};
use watchme_actors::{
    Handles, Ports, Settings,
    changes::Applied,
    domain::{EntitlementMode, EventId, Genre, GenreId, Movie, MovieId, Timestamp, UserId},
    ports::{Backlog, Catalogue, Change, ChangeFeed, GenreStore, Outbox, OutboxRow, StoreError},
    testing::{
        contracts::catalogue::samples::{details, movie, movie_id},
        fakes::{
            DrivenClock, MemoryBus, MemoryDocuments, MemoryLease, MemoryViews, RecordingChanges,
            ScriptedHoldings, ScriptedHousekeeping, ScriptedMarks, ScriptedMetadata,
        },
    },
};

struct World {
    changes: RecordingChanges,
    documents: MemoryDocuments,
    held: ScriptedHoldings,
    lease: MemoryLease,
    handles: Handles,
    applied: Receiver<Applied>,
    user: UserId,
}

impl World {
    fn new() -> Self {
        pause();
        let (changes, documents) = (RecordingChanges::new(), MemoryDocuments::new());
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
            metadata: Arc::new(ScriptedMetadata::new()),
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
        Self { changes, documents, held, lease, handles, applied, user }
    }

    async fn store_genre(&self, name: &str) {
        let genre = Genre {
            id: genre_id(),
            name: name.to_owned(),
            retired: false,
            updated_at: Timestamp::EPOCH,
        };
        self.documents.save_genres(&[genre]).await.unwrap();
    }

    fn genre_name(&self) -> String {
        self.handles.genres.list().name(genre_id())
    }

    async fn store_movie(&self, title: &str) {
        let movie = Movie {
            title: title.to_owned(),
            details: Some(watchme_actors::domain::MovieDetails { fetched_at: now(), ..details() }),
            fetched_at: now(),
            ..movie(1, &[1])
        };
        self.documents.upsert(&[movie]).await.unwrap();
    }

    async fn title(&self, id: MovieId) -> String {
        self.handles.movies.details(id).await.unwrap().movie.title.clone()
    }

    async fn entitled(&self) -> usize {
        self.handles.entitlements.of(self.user).await.unwrap().entitlement.genres.len()
    }

    async fn told(&mut self) -> Applied {
        timeout(Duration::from_secs(5), self.applied.recv()).await.expect("in time").unwrap()
    }
}

fn genre_id() -> GenreId {
    GenreId::try_from(1).unwrap()
}

/// What the driven clock shows at its start.
fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000)
}

#[actix::test]
async fn listeners_are_told_of_genres_once_the_new_list_is_there() {
    let mut world = World::new();
    world.store_genre("Drama").await;
    world.changes.announce(Change::Genres).await;
    assert_eq!(world.told().await, Applied::Change(Change::Genres));
    assert_eq!(world.genre_name(), "Drama");

    // A store that is away for a moment: told when it has been read, not before.
    world.store_genre("Tragedy").await;
    world.documents.set_failing(true);
    world.changes.announce(Change::Genres).await;
    assert!(timeout(Duration::from_secs(3), world.applied.recv()).await.is_err());
    // Nobody else waits for it.
    world.changes.announce(Change::Account(world.user)).await;
    assert_eq!(world.told().await, Applied::Change(Change::Account(world.user)));
    world.documents.set_failing(false);
    let told = timeout(Duration::from_secs(15), world.applied.recv()).await.unwrap().unwrap();
    assert_eq!((told, &*world.genre_name()), (Applied::Change(Change::Genres), "Tragedy"));
}

#[actix::test]
async fn listeners_are_told_of_everything_else_once_the_actors_have_forgotten() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    for change in [Change::Subscriptions(world.user), Change::Movie(movie_id(1))] {
        world.changes.announce(change).await;
        assert_eq!(world.told().await, Applied::Change(change));
    }
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (0, "New"));
}

#[actix::test]
async fn what_is_remembered_is_read_again_soon_while_nobody_is_told() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    world.store_genre("Drama").await;
    world.changes.announce(Change::Genres).await;
    world.told().await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    world.store_genre("Tragedy").await;
    sleep(Duration::from_secs(20)).await;
    let seen = (world.entitled().await, &*world.title(movie_id(1)).await, &*world.genre_name());
    assert_eq!(seen, (1, "Old", "Drama"), "as long as everybody is told, nothing is in doubt");

    world.changes.set_connected(false);
    sleep(Duration::from_millis(100)).await;
    assert!(world.handles.alone.now());
    assert_eq!(world.entitled().await, 0, "it is older than two seconds");
    assert_eq!(world.title(movie_id(1)).await, "New", "it is older than ten seconds");
    sleep(Duration::from_secs(31)).await;
    assert_eq!(world.genre_name(), "Tragedy");
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.entitled().await, 1);
}

#[actix::test]
async fn everything_is_forgotten_when_changes_arrive_again() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    world.changes.set_connected(false);
    sleep(Duration::from_millis(100)).await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    world.store_genre("Drama").await;
    world.changes.set_connected(true);
    assert_eq!(world.told().await, Applied::Everything);
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (0, "New"));
    assert_eq!(world.told().await, Applied::Change(Change::Genres));
    assert_eq!(world.genre_name(), "Drama");
    assert!(!world.handles.alone.now());
}

#[actix::test]
async fn a_connection_that_was_away_for_no_longer_than_a_look_counts_too() {
    let mut world = World::new();
    sleep(Duration::from_millis(100)).await;
    world.changes.set_connected(false);
    world.changes.set_connected(true);
    assert_eq!(world.told().await, Applied::Everything);
    assert!(!world.handles.alone.now());
}

#[actix::test]
async fn draining_gives_every_lease_up() {
    let world = World::new();
    sleep(Duration::from_secs(10)).await;
    let names = (0..8).map(|it| format!("report-{it}")).chain(["outbox-relay".to_owned()]);
    let names: Vec<String> = names.collect();
    assert!(names.iter().all(|name| world.lease.holder(name).is_some()));
    world.handles.drain().await;
    assert!(names.iter().all(|name| world.lease.holder(name).is_none()));
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
