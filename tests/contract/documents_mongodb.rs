//! The document store in MongoDB, or in a server that speaks its protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{sync::Arc, thread, time::Instant};

use mongodb::{
    Client, Database,
    bson::{Document, doc},
};
use tokio::runtime;
use url::Url;
use uuid::Uuid;
use watchme::adapters::documents::{MongoDocuments, MongoSettings};
use watchme_actors::{
    domain::{Movie, MovieFilter, PageRequest, Projection, Timestamp, UserId},
    ports::{Catalogue, GenreStore, Probe, Reports, StoreError, SyncLog, SyncRecord},
    testing::{
        DocumentPorts,
        contracts::catalogue::samples::{details, everything, filtered, movie, movie_id},
    },
};
use watchme_engines::Engine;

use crate::support::engines;

/// A database of a test's own, dropped after it.
pub(crate) struct Fresh {
    pub(crate) url: Url,
    name: String,
}

impl Fresh {
    /// A database that is not there yet; `None` where no engine is.
    pub(crate) fn database() -> Option<Self> {
        let mut url: Url = engines::url(Engine::MongoDb)?.parse().unwrap();
        let name = format!("watchme_{}", Uuid::new_v4().simple());
        url.set_path(&name);
        Some(Self { url, name })
    }

    /// A hand on it from outside.
    pub(crate) async fn hand(&self) -> Database {
        Client::with_uri_str(&self.url).await.unwrap().database(&self.name)
    }

    pub(crate) async fn store(&self) -> MongoDocuments {
        let store = MongoDocuments::open(&MongoSettings::new(self.url.as_str())).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = Client::with_uri_str(&url).await.unwrap();
                client.database(&name).drop().await.unwrap();
            });
        });
        // A test that has failed already says more than what this would.
        let _ = dropping.join();
    }
}

pub(crate) async fn fresh() -> Option<(MongoDocuments, Fresh)> {
    let database = Fresh::database()?;
    Some((database.store().await, database))
}

async fn ports() -> Option<DocumentPorts> {
    let (store, database) = fresh().await?;
    Some(DocumentPorts {
        catalogue: Arc::new(store.clone()),
        genres: Arc::new(store.clone()),
        reports: Arc::new(store.clone()),
        sync_log: Arc::new(store.clone()),
        trending: Arc::new(store),
        keep: Box::new(database),
    })
}

mod catalogue {
    watchme_actors::catalogue_contract!(super::ports);
}

mod genres {
    watchme_actors::genres_contract!(super::ports);
}

mod reports {
    watchme_actors::reports_contract!(super::ports);
}

mod sync_log {
    watchme_actors::sync_log_contract!(super::ports);
}

mod trending {
    watchme_actors::trending_contract!(super::ports);
}

#[tokio::test]
async fn an_unreadable_document_is_named_and_not_fatal() {
    let Some((store, database)) = fresh().await else { return };
    let user = UserId::generate();
    store.upsert(&[movie(1, &[18]), movie(2, &[18])]).await.unwrap();
    let hand = database.hand().await;
    // As an older or a newer version may have left them.
    for collection in ["movies", "projections", "genres", "syncRecords"] {
        hand.run_command(doc! { "collMod": collection, "validationLevel": "off", "validator": {} })
            .await
            .unwrap();
    }
    let of = |collection: &str| hand.collection::<Document>(collection);
    of("movies")
        .update_one(doc! { "_id": 1 }, doc! { "$unset": { "movie.title": 1 } })
        .await
        .unwrap();
    let id = user.to_string();
    of("projections").insert_one(doc! { "_id": &id, "lastSeq": 3_i64 }).await.unwrap();
    of("genres").insert_one(doc! { "_id": 7, "name": 7 }).await.unwrap();
    of("syncRecords").insert_one(doc! { "_id": "genres", "changed": "much" }).await.unwrap();

    let corrupt = |error: StoreError| match error {
        StoreError::Corrupt { store: "documents", reason } => reason,
        other => panic!("{other}"),
    };
    let reason = corrupt(store.movie(movie_id(1)).await.unwrap_err());
    assert!(reason.starts_with("movie 1:"), "{reason}");
    let reason = corrupt(store.projection(user).await.unwrap_err());
    assert!(reason.contains(&id), "{reason}");
    assert_eq!(store.sync_record("genres").await.unwrap(), SyncRecord::default());

    // Lists go on without it, and writing heals it.
    let page = store.movies(&everything(&[18]), PageRequest::default()).await.unwrap();
    assert_eq!(page.items.iter().map(|movie| movie.id).collect::<Vec<_>>(), [movie_id(2)]);
    assert!(store.genres().await.unwrap().is_empty());
    assert!(store.projections(&[user]).await.unwrap().is_empty());
    let older = Movie { fetched_at: Timestamp::EPOCH, ..movie(1, &[18]) };
    assert_eq!(store.upsert(std::slice::from_ref(&older)).await.unwrap(), [older.id]);
    assert_eq!(store.movie(older.id).await.unwrap(), Some(older));
    let rebuilt = Projection { last_seq: 3, ..Projection::empty(user) };
    assert!(store.replace(&rebuilt).await.unwrap());
    assert_eq!(store.projection(user).await.unwrap(), Some(rebuilt));
    // Even one without a number to compare with.
    of("projections").update_one(doc! {}, doc! { "$unset": { "lastSeq": 1 } }).await.unwrap();
    let rebuilt = Projection { last_seq: 1, ..Projection::empty(user) };
    assert!(store.replace(&rebuilt).await.unwrap());
    assert_eq!(store.projection(user).await.unwrap(), Some(rebuilt));
}

#[tokio::test]
async fn replicas_that_store_the_same_movie_keep_the_newest_and_the_details() {
    let Some((store, _database)) = fresh().await else { return };
    let at = |millis| Timestamp::from_millis(1_700_000_000_123 + millis);
    let whole = Movie { details: Some(details()), ..movie(1, &[18]) };
    store.upsert(std::slice::from_ref(&whole)).await.unwrap();
    let version = |turn: i64| Movie {
        title: format!("Version {turn}"),
        // 5 and 13 have no common factor: every moment once, in no order.
        fetched_at: at(turn * 5 % 13),
        ..movie(1, &[18])
    };
    let writers: Vec<_> = (1..=12)
        .map(|turn| {
            let (store, batch) = (store.clone(), [movie(100 + turn, &[18]), version(turn)]);
            tokio::spawn(async move { (turn, store.upsert(&batch).await.unwrap()) })
        })
        .collect();
    for writer in writers {
        let (turn, changed) = writer.await.unwrap();
        assert!(changed.contains(&movie_id(100 + turn)), "{turn}: {changed:?}");
        // The newest is never left out, and says so.
        assert!(turn != 5 || changed.contains(&whole.id), "{changed:?}");
    }
    let newest = Movie { details: whole.details, ..version(5) };
    assert_eq!(newest.fetched_at, at(12));
    assert_eq!(store.movie(whole.id).await.unwrap(), Some(newest));
    assert_eq!(store.count().await.unwrap(), 13);
}

#[tokio::test]
async fn text_of_any_length_and_kind_is_only_text() {
    let Some((store, _database)) = fresh().await else { return };
    store.upsert(&[movie(1, &[18])]).await.unwrap();
    let texts =
        ["$keys.title".to_owned(), "{$ne: 1}".to_owned(), "(((".to_owned(), "x".repeat(100_000)];
    for text in texts {
        let query = filtered(&[18], MovieFilter { text: Some(text), ..MovieFilter::default() });
        assert_eq!(store.movies(&query, PageRequest::default()).await.unwrap().total_items, 0);
    }
    assert_eq!(store.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_projection_advances_quickly() {
    let Some((store, _database)) = fresh().await else { return };
    let user = UserId::generate();
    let begun = Instant::now();
    for seq in 0..200 {
        let next = Projection { last_seq: seq + 1, ..Projection::empty(user) };
        assert!(store.advance(seq, &next).await.unwrap());
    }
    eprintln!("one advance in {:?}", begun.elapsed() / 200);
    assert!(begun.elapsed().as_secs() < 20);
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let Some((store, _database)) = fresh().await else { return };
    store.check().await.unwrap();
    store.close().await;
    for error in [
        store.check().await.unwrap_err(),
        store.upsert(&[movie(1, &[])]).await.unwrap_err(),
        store.movie(movie_id(1)).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Unavailable { store: "documents", .. }), "{error}");
    }
}

/// Whoever remembers movies hears of those that were written before the failure, too.
#[tokio::test]
async fn what_a_failed_upsert_has_changed_is_told_by_the_next() {
    let Some((store, database)) = fresh().await else { return };
    let hand = database.hand().await;
    let permit = async |highest: i32| {
        let schema = doc! { "properties": { "_id": { "maximum": highest } } };
        let validator = doc! { "$jsonSchema": schema };
        hand.run_command(doc! { "collMod": "movies", "validator": validator }).await.unwrap();
    };
    let movies: Vec<Movie> = (1..=620).map(|id| movie(id, &[18])).collect();
    let ids: Vec<_> = movies.iter().map(|movie| movie.id).collect();
    store.upsert(&movies[..2]).await.unwrap();

    permit(600).await;
    let error = store.upsert(&movies).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert_eq!(store.count().await.unwrap(), 600);

    permit(10_000).await;
    // One that the failed call did not bring is told of alone.
    assert_eq!(store.upsert(&[movie(700, &[18])]).await.unwrap(), [movie_id(700)]);
    assert_eq!(store.upsert(&movies).await.unwrap(), ids[2..]);
    assert!(store.upsert(&movies).await.unwrap().is_empty());
}
