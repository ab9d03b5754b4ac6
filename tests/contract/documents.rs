//! The document store in a SQLite file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use sqlx::SqlitePool;
use tempfile::TempDir;
use watchme::adapters::documents::SqliteDocuments;
use watchme_actors::{
    domain::{Movie, MovieFilter, MovieId, PageRequest, Projection, Timestamp, UserId},
    ports::{Catalogue, GenreStore, Probe, Reports, StoreError, SyncLog, SyncRecord},
    testing::{
        DocumentPorts,
        contracts::catalogue::samples::{details, everything, filtered, movie, movie_id},
    },
};

async fn ports() -> DocumentPorts {
    let (store, folder) = fresh().await;
    DocumentPorts {
        catalogue: Arc::new(store.clone()),
        genres: Arc::new(store.clone()),
        reports: Arc::new(store.clone()),
        sync_log: Arc::new(store.clone()),
        trending: Arc::new(store),
        keep: Box::new(folder),
    }
}

async fn fresh() -> (SqliteDocuments, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    (store, folder)
}

async fn open(folder: &TempDir) -> SqliteDocuments {
    let store = SqliteDocuments::open(&folder.path().join("documents.db")).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// A hand on the file from outside.
async fn file(folder: &TempDir) -> SqlitePool {
    let path = folder.path().join("documents.db");
    SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

mod catalogue {
    watchme_actors::catalogue_contract!(super::ports);
}

mod genres {
    watchme_actors::genres_contract!(super::ports);
}

mod trending {
    watchme_actors::trending_contract!(super::ports);
}

mod reports {
    watchme_actors::reports_contract!(super::ports);
}

mod sync_log {
    watchme_actors::sync_log_contract!(super::ports);
}

#[tokio::test]
async fn what_is_stored_survives_reopening() {
    let (store, folder) = fresh().await;
    let stored = Movie { details: Some(details()), ..movie(1, &[18]) };
    store.upsert(std::slice::from_ref(&stored)).await.unwrap();
    store.close().await;
    let again = open(&folder).await;
    again.migrate().await.unwrap();
    assert_eq!(again.movie(stored.id).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn an_unreadable_document_is_named_and_not_fatal() {
    let (store, folder) = fresh().await;
    let user = UserId::generate();
    store.upsert(&[movie(1, &[18]), movie(2, &[18])]).await.unwrap();
    store.replace(&Projection { last_seq: 3, ..Projection::empty(user) }).await.unwrap();
    store.save_sync_record("genres", &store.sync_record("genres").await.unwrap()).await.unwrap();
    let file = file(&folder).await;
    for statement in [
        "UPDATE movie_documents SET document = '{\"id\":1}' WHERE id = 1",
        "UPDATE projections SET document = 'no JSON'",
        "UPDATE sync_records SET document = '[]'",
        "INSERT INTO genres VALUES (7, 'null')",
    ] {
        sqlx::query(statement).execute(&file).await.unwrap();
    }

    let corrupt = |error: StoreError| match error {
        StoreError::Corrupt { store: "documents", reason } => reason,
        other => panic!("{other}"),
    };
    let reason = corrupt(store.movie(movie_id(1)).await.unwrap_err());
    assert!(reason.starts_with("movie 1:"), "{reason}");
    let reason = corrupt(store.projection(user).await.unwrap_err());
    assert!(reason.contains(&user.to_string()), "{reason}");
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
}

#[tokio::test]
async fn a_page_and_its_count_are_of_one_moment() {
    let (store, _folder) = fresh().await;
    let movies: Vec<Movie> = (1..=60).map(|id| movie(id, &[18])).collect();
    let ids: Vec<MovieId> = movies.iter().map(|movie| movie.id).collect();
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..40 {
            writer.upsert(&movies).await.unwrap();
            writer.remove(&ids).await.unwrap();
        }
    });
    let page = PageRequest::new(1, 100).unwrap();
    let mut answers = 0;
    while !writing.is_finished() {
        let answer = store.movies(&everything(&[18]), page).await.unwrap();
        assert_eq!(answer.items.len() as u64, answer.total_items);
        assert!(matches!(answer.total_items, 0 | 60), "a batch is seen in part");
        answers += 1;
    }
    assert!(answers > 0, "nothing was read while the store was written");
    writing.await.unwrap();
}

#[tokio::test]
async fn text_of_any_length_and_kind_is_only_text() {
    let (store, _folder) = fresh().await;
    store.upsert(&[movie(1, &[18])]).await.unwrap();
    for text in ["'; DROP TABLE movies; --".to_owned(), "?1".to_owned(), "x".repeat(100_000)] {
        let query = filtered(&[18], MovieFilter { text: Some(text), ..MovieFilter::default() });
        assert_eq!(store.movies(&query, PageRequest::default()).await.unwrap().total_items, 0);
    }
    assert_eq!(store.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let (store, _folder) = fresh().await;
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

#[tokio::test]
async fn a_file_that_cannot_be_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing =
        SqliteDocuments::open(&folder.path().join("none/documents.db")).await.unwrap_err();
    assert!(matches!(missing, StoreError::Unavailable { .. }), "{missing}");
    let path = folder.path().join("documents.db");
    std::fs::write(&path, "not a database, but long enough to look like one".repeat(100)).unwrap();
    let foreign = SqliteDocuments::open(&path).await.unwrap_err();
    assert!(matches!(foreign, StoreError::Corrupt { .. }), "{foreign}");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let (store, folder) = fresh().await;
    sqlx::query("UPDATE _sqlx_migrations SET version = version + 9000")
        .execute(&file(&folder).await)
        .await
        .unwrap();
    let newer = store.migrate().await.unwrap_err();
    assert!(matches!(newer, StoreError::Corrupt { .. }), "{newer}");
}
