//! MongoDB away: behind a proxy that can swallow, cut and refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mongodb::bson::Document;
use tokio::task::JoinSet;
use watchme::adapters::documents::{MongoDocuments, MongoSettings};
use watchme_actors::{
    domain::{Hour, PageRequest, Projection, UserId},
    ports::{Catalogue, GenreStore, Probe, Reports, StoreError, SyncLog, TrendingStore},
    testing::contracts::catalogue::samples::{everything, movie, movie_id},
};

use super::documents_mongodb::Fresh;
use crate::support::proxy::{Line, Proxy};

struct World {
    store: MongoDocuments,
    proxy: Proxy,
    database: Fresh,
}

impl World {
    /// A store that has not waited for its server.
    async fn start(line: Line) -> Option<Self> {
        Self::with(line, |_| {}).await
    }

    async fn with(line: Line, set: impl FnOnce(&mut MongoSettings)) -> Option<Self> {
        let database = Fresh::database()?;
        let proxy = Proxy::before_url(&database.url).await;
        proxy.set(line);
        let url = proxy.url(&database.url);
        let mut settings = MongoSettings::new(url.as_str());
        set(&mut settings);
        let store = MongoDocuments::open(&settings).await.unwrap();
        Some(Self { store, proxy, database })
    }

    async fn fails(&self) -> Duration {
        let begun = Instant::now();
        let error = self.store.movie(movie_id(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { store: "documents", .. }), "{error}");
        begun.elapsed()
    }

    /// How long it takes until calls are answered again.
    async fn recovers(&self) -> Duration {
        let begun = Instant::now();
        while self.store.check().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(5), "not back after 5 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        begun.elapsed()
    }

    /// Enough calls at once that every connection is used, and every one has to be alive.
    async fn is_well(&self) {
        let mut calls = JoinSet::new();
        for turn in 0..64 {
            let store = self.store.clone();
            calls.spawn(async move {
                let user = UserId::generate();
                let next = Projection { last_seq: turn + 1, ..Projection::empty(user) };
                store.replace(&next).await.unwrap();
                assert_eq!(store.projection(user).await.unwrap(), Some(next));
            });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        let begun = Instant::now();
        self.store.movies(&everything(&[18]), PageRequest::default()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

const AT_ONCE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(2_250);

#[tokio::test]
async fn a_server_that_swallows_is_given_up_at_once_and_found_again() {
    let Some(world) = World::start(Line::Open).await else { return };
    world.store.migrate().await.unwrap();
    world.store.upsert(&[movie(1, &[18])]).await.unwrap();
    world.is_well().await;

    for _ in 0..2 {
        world.proxy.set(Line::Swallowed);
        // Every kind of call ends in time, however many wait.
        let begun = Instant::now();
        let (store, user) = (&world.store, UserId::generate());
        let waiting = tokio::join!(
            async { store.movie(movie_id(1)).await.is_err() },
            async { store.movies(&everything(&[18]), PageRequest::default()).await.is_err() },
            async { store.upsert(&[movie(2, &[18])]).await.is_err() },
            async { store.replace(&Projection::empty(user)).await.is_err() },
            async { store.genres().await.is_err() },
            async { store.sync_record("genres").await.is_err() },
            async { store.add_scores(Hour::from_number(1), &[(movie_id(1), 1)]).await.is_err() },
            async { store.check().await.is_err() },
        );
        assert_eq!(waiting, (true, true, true, true, true, true, true, true));
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        assert!(!store.is_available());
        for _ in 0..100 {
            let took = world.fails().await;
            assert!(took < AT_ONCE, "{took:?}");
        }
        // It stays so while the attempts to reach it come to nothing.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(world.fails().await < AT_ONCE);

        world.proxy.set(Line::Open);
        let took = world.recovers().await;
        eprintln!("found again after {took:?}");
        world.is_well().await;
    }
}

#[tokio::test]
async fn more_calls_than_connections_end_in_time_while_the_server_swallows() {
    let Some(world) = World::start(Line::Open).await else { return };
    world.store.migrate().await.unwrap();
    world.is_well().await;
    world.proxy.set(Line::Swallowed);
    let mut calls = JoinSet::new();
    for _ in 0..300 {
        let store = world.store.clone();
        calls.spawn(async move {
            let begun = Instant::now();
            assert!(store.movie(movie_id(1)).await.is_err());
            begun.elapsed()
        });
    }
    while let Some(took) = calls.join_next().await {
        let took = took.unwrap();
        assert!(took < PATIENCE, "{took:?}");
    }
    world.proxy.set(Line::Open);
    world.recovers().await;
    world.is_well().await;
}

#[tokio::test]
async fn a_server_that_is_cut_off_is_given_up_at_once_and_found_again() {
    let Some(world) = World::start(Line::Open).await else { return };
    world.store.migrate().await.unwrap();
    world.is_well().await;
    for _ in 0..2 {
        world.proxy.set(Line::Cut);
        let took = world.fails().await;
        assert!(took < PATIENCE, "{took:?}");
        for _ in 0..100 {
            let took = world.fails().await;
            assert!(took < AT_ONCE, "{took:?}");
        }
        world.proxy.set(Line::Open);
        let took = world.recovers().await;
        eprintln!("found again after {took:?}");
        world.is_well().await;
    }
}

#[tokio::test]
async fn a_store_opens_without_its_server_and_finds_it_later() {
    for away in [Line::Cut, Line::Swallowed] {
        let Some(world) = World::start(away).await else { return };
        assert!(world.fails().await < AT_ONCE);
        let begun = Instant::now();
        let error = world.store.migrate().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(4_500), "{:?}", begun.elapsed());
        assert!(world.fails().await < AT_ONCE);
        assert!(!world.store.is_available());

        world.proxy.set(Line::Open);
        world.recovers().await;
        assert!(world.store.is_available());
        world.store.migrate().await.unwrap();
        world.store.upsert(&[movie(1, &[18])]).await.unwrap();
        world.is_well().await;
    }
}

#[tokio::test]
async fn a_closed_store_does_not_look_for_its_server_any_more() {
    let Some(world) = World::start(Line::Cut).await else { return };
    world.store.close().await;
    world.proxy.set(Line::Open);
    let error = world.store.migrate().await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!world.store.is_available());
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_repeating_it() {
    for url in ["", "mysql://host/", "mongodb://user:se/cret@host:port", "mongodb://host:70000"] {
        let error = MongoDocuments::open(&MongoSettings::new(url)).await.unwrap_err().to_string();
        assert!(error.contains("URL of MongoDB") && !error.contains("cret"), "{url}: {error}");
    }
    let settings = MongoSettings::new("mongodb://user:secret@host/");
    assert!(!format!("{settings:?}").contains("secret"));
}

/// Each call is answered in time; only the wait for a connection is long.
#[tokio::test]
async fn a_server_that_is_busy_is_not_taken_for_one_that_is_away() {
    const POOL: u32 = 8;
    let Some(world) = World::with(Line::Open, |settings| settings.pool = POOL).await else {
        return;
    };
    let store = &world.store;
    store.migrate().await.unwrap();
    let newer = Projection { last_seq: 9, ..Projection::empty(UserId::generate()) };
    store.replace(&newer).await.unwrap();
    world.is_well().await;

    // An older projection is refused after two round trips, a movie is found after one.
    world.proxy.set(Line::Slow(Duration::from_millis(400)));
    let older = Projection { last_seq: 3, ..newer };
    let begun = Instant::now();
    let ended = join_all((0..64).map(async |place| {
        let ended = if place < POOL {
            store.movie(movie_id(1)).await.map(drop)
        } else {
            store.replace(&older).await.map(|stored| assert!(!stored))
        };
        assert!(store.is_available(), "{place}: {ended:?}");
        ended
    }))
    .await;
    assert!(begun.elapsed() < Duration::from_millis(3_250), "{:?}", begun.elapsed());
    let served = ended.iter().filter(|ended| ended.is_ok()).count();
    assert!(served >= 2 * POOL as usize, "{served} were served");
    for refused in ended.iter().filter_map(|ended| ended.as_ref().err()) {
        assert!(refused.to_string().contains("in use"), "{refused}");
    }
    world.proxy.set(Line::Open);
    assert!(store.is_available());
    world.is_well().await;
}

/// As after a restore from an older copy, or with a server in the place of another.
#[tokio::test]
async fn a_server_that_comes_back_empty_gets_its_collections_again() {
    let Some(world) = World::start(Line::Open).await else { return };
    world.store.migrate().await.unwrap();
    let hand = world.database.hand().await;
    hand.drop().await.unwrap();
    world.proxy.set(Line::Cut);
    world.fails().await;
    world.proxy.set(Line::Open);
    world.recovers().await;

    let movies = hand.collection::<Document>("movies");
    let indexes = movies.list_index_names().await.unwrap();
    assert_eq!(indexes.len(), 11, "{indexes:?}");
    movies.insert_one(Document::new()).await.expect_err("there is no validator");
    world.is_well().await;
}
