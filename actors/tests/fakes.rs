//! The fakes: the contract suites over those that stand in for a store, and what else tests
//! rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{sync::Arc, time::Duration};

use tokio::{sync::broadcast::error::RecvError, time::Instant};
use watchme_actors::{
    domain::{MoviePage, Timestamp},
    ports::{
        Catalogue, Change, ChangeFeed, Clock, GenreStore, Lease, LeaseOwner, MetadataError,
        MetadataSource, Reports, StoreError, SyncLog,
    },
    testing::{
        BusPorts, DocumentPorts,
        contracts::catalogue::samples::{genre_id, movie, movie_id},
        fakes::{
            DrivenClock, MemoryBus, MemoryDocuments, MemoryLease, MetadataCall, RecordingChanges,
            ScriptedMetadata,
        },
    },
};

async fn documents() -> DocumentPorts {
    MemoryDocuments::new().ports()
}

mod catalogue {
    watchme_actors::catalogue_contract!(super::documents);
}

mod genres {
    watchme_actors::genres_contract!(super::documents);
}

mod reports {
    watchme_actors::reports_contract!(super::documents);
}

mod sync_log {
    watchme_actors::sync_log_contract!(super::documents);
}

mod trending {
    watchme_actors::trending_contract!(super::documents);
}

async fn bus() -> BusPorts {
    BusPorts {
        bus: Arc::new(MemoryBus::new()),
        changes: Arc::new(RecordingChanges::new()),
        keep: Box::new(()),
    }
}

mod bus {
    watchme_actors::bus_contract!(super::bus);
}

#[tokio::test]
async fn documents_fail_when_told_to() {
    let documents = MemoryDocuments::new();
    documents.fail_next(2);
    let error = documents.upsert(&[movie(1, &[18])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { store: "documents", .. }));
    assert!(documents.count().await.is_err());
    assert_eq!(documents.count().await.unwrap(), 0);
    documents.set_failing(true);
    assert!(documents.genres().await.is_err());
    assert!(documents.projections(&[]).await.is_err());
    assert!(documents.sync_record("genres").await.is_err());
    documents.set_failing(false);
    assert!(documents.genres().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_runs_out_and_can_be_seized() {
    let lease = MemoryLease::new();
    let (me, other) = (LeaseOwner::generate(), LeaseOwner::generate());
    let ttl = Duration::from_secs(10);
    assert!(lease.acquire("relay", me, ttl).await.unwrap());
    assert!(lease.acquire("genres", other, ttl).await.unwrap());
    assert!(!lease.acquire("relay", other, ttl).await.unwrap());
    tokio::time::advance(ttl / 2).await;
    assert!(lease.acquire("relay", me, ttl).await.unwrap());
    tokio::time::advance(ttl - Duration::from_millis(1)).await;
    assert!(!lease.acquire("relay", other, ttl).await.unwrap());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(lease.holder("relay"), None);
    assert!(lease.acquire("relay", other, ttl).await.unwrap());
    lease.release("relay", me).await.unwrap();
    assert_eq!(lease.holder("relay"), Some(other));
    lease.release("relay", other).await.unwrap();
    assert!(lease.acquire("relay", me, ttl).await.unwrap());
    lease.seize("relay");
    tokio::time::advance(ttl * 100).await;
    assert!(!lease.acquire("relay", me, ttl).await.unwrap());
    lease.give_back("relay");
    assert!(lease.acquire("relay", me, ttl).await.unwrap());
    lease.set_failing(true);
    assert!(lease.acquire("relay", me, ttl).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_driven_clock_goes_with_tokio() {
    let base = Timestamp::from_millis(5_000);
    let clock = DrivenClock::starting_at(base);
    assert_eq!(clock.now(), base);
    tokio::time::advance(Duration::from_millis(7_200_001)).await;
    assert_eq!(clock.now(), base.after(Duration::from_millis(7_200_001)));
    assert_eq!(DrivenClock::default().now().to_string(), "2026-03-01T12:00:00Z");
}

#[tokio::test]
async fn changes_are_heard_and_remembered() {
    let changes = RecordingChanges::holding(1);
    changes.announce(Change::Genres).await;
    let mut receiver = changes.subscribe();
    changes.announce(Change::AllMovies).await;
    assert_eq!(receiver.recv().await, Ok(Change::AllMovies));
    changes.announce(Change::Genres).await;
    changes.announce(Change::Movie(movie_id(1))).await;
    assert!(matches!(receiver.recv().await, Err(RecvError::Lagged(1))));
    assert_eq!(changes.announced().len(), 4);
    assert_eq!(changes.subscribers(), 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_follows_its_script() {
    let source = ScriptedMetadata::new();
    let unscripted = source.genres().await.unwrap_err();
    assert!(matches!(unscripted, MetadataError::Unavailable(_)));
    source.on_movie(|id| Ok(Some(movie(id.into(), &[18]))));
    source.queue_movie(Ok(None));
    assert_eq!(source.movie(movie_id(7)).await, Ok(None));
    assert_eq!(source.movie(movie_id(7)).await, Ok(Some(movie(7, &[18]))));
    source.on_discover(|_, page| Ok(MoviePage { total_pages: page, ..MoviePage::default() }));
    source.on_search(|text, _| Err(MetadataError::Refused(text.to_owned())));

    let start = Instant::now();
    source.set_delay(Duration::from_secs(3));
    assert_eq!(source.discover(genre_id(18), 4).await.unwrap().total_pages, 4);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(source.search("x", 1).await, Err(MetadataError::Refused("x".to_owned())));

    let calls: Vec<_> = source.calls().into_iter().map(|call| call.call).collect();
    assert_eq!(calls[0], MetadataCall::Genres);
    assert_eq!(calls[3], MetadataCall::Discover(genre_id(18), 4));
    assert_eq!(calls[4], MetadataCall::Search("x".to_owned(), 1));
    assert_eq!(source.calls()[3].at, start);
    assert_eq!(source.calls()[4].at, start + Duration::from_secs(3));
}

#[tokio::test]
async fn metadata_panics_when_told_to_and_goes_on() {
    let source = ScriptedMetadata::new();
    source.queue_movie(Ok(None));
    source.panic_next(1);
    let panicking = source.clone();
    let outcome = tokio::spawn(async move { panicking.movie(movie_id(1)).await }).await;
    assert!(outcome.unwrap_err().is_panic());
    assert_eq!(source.movie(movie_id(1)).await, Ok(None));
}
