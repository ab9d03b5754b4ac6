//! The document store in MongoDB, or in a server that speaks its protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{sync::Arc, thread, time::Instant};

use mongodb::{
    Client, Database, IndexModel,
    bson::{Document, doc},
    options::{IndexOptions, ReplaceOptions},
};
use tokio::runtime;
use url::Url;
use uuid::Uuid;
use watchme::adapters::documents::{MongoDocuments, MongoSettings};
use watchme_actors::{
    domain::{Movie, MovieFilter, MovieId, MovieSort, PageRequest, Projection, Timestamp, UserId},
    ports::{
        Catalogue, GenreStore, Probe, Reports, StoreError, SyncLog, SyncRecord, TrendingStore,
    },
    testing::{
        DocumentPorts,
        contracts::catalogue::samples::{everything, filtered, movie, movie_id},
    },
};

use crate::support::engines;

/// A database of a test's own, dropped after it.
pub(crate) struct Fresh {
    pub(crate) url: Url,
    name: String,
}

impl Fresh {
    /// A database that is not there yet; `None` where no engine is.
    pub(crate) fn database() -> Option<Self> {
        let mut url: Url = engines::url(engines::MONGODB)?.parse().unwrap();
        let name = format!("watchme_{}", Uuid::new_v4().simple());
        url.set_path(&name);
        Some(Self { url, name })
    }

    /// A hand on it from outside.
    pub(crate) async fn hand(&self) -> Database {
        Client::with_uri_str(&self.url).await.unwrap().database(&self.name)
    }

    async fn store(&self) -> MongoDocuments {
        let store = MongoDocuments::open(&MongoSettings::new(self.url.as_str())).unwrap();
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

async fn fresh() -> Option<(MongoDocuments, Fresh)> {
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
async fn replicas_that_start_at_once_make_one_schema() {
    let Some(database) = Fresh::database() else { return };
    let (one, two, three) = tokio::join!(database.store(), database.store(), database.store());
    for store in [one, two, three] {
        store.upsert(&[movie(1, &[18])]).await.unwrap();
    }
    let hand = database.hand().await;
    let mut names = hand.list_collection_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["genres", "movies", "projections", "scores", "syncRecords"]);
    let indexes = hand.collection::<Document>("movies").list_index_names().await.unwrap();
    assert_eq!(indexes.len(), 11, "{indexes:?}");
}

#[tokio::test]
async fn an_older_schema_is_renewed_and_what_others_made_stays() {
    let Some(database) = Fresh::database() else { return };
    let hand = database.hand().await;
    let movies = hand.collection::<Document>("movies");
    let index = |name: &str, keys: Document, sparse: bool| {
        let options = IndexOptions::builder().name(name.to_owned()).sparse(sparse).build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    // Of our name with other keys, and with another option; ours by another name; a stranger's.
    let wrong_keys = index("by_title", doc! { "title": 1 }, false);
    let wrong_option = index("by_fetch", doc! { "keys.fetchedAt": 1, "_id": 1 }, true);
    let another_name = index("genres_of_old", doc! { "movie.genres": 1 }, false);
    let foreign = index("operators_own", doc! { "movie.posterPath": 1 }, false);
    movies.create_indexes([wrong_keys, wrong_option, another_name, foreign]).await.unwrap();
    hand.run_command(doc! {
        "collMod": "movies", "validator": { "$jsonSchema": { "required": ["nothing"] } },
    })
    .await
    .unwrap();

    let store = database.store().await;
    store.upsert(&[movie(1, &[18])]).await.unwrap();
    let listed = hand.run_command(doc! { "listIndexes": "movies" }).await.unwrap();
    let listed = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let found = |name: &str| {
        let named = |index: &&Document| index.get_str("name").is_ok_and(|it| it == name);
        listed.iter().filter_map(|it| it.as_document()).find(named)
    };
    let keys: Vec<&String> =
        found("by_title").unwrap().get_document("key").unwrap().keys().collect();
    assert_eq!(keys, ["keys.title", "_id"]);
    assert!(!found("by_fetch").unwrap().get_bool("sparse").unwrap_or(false));
    assert!(found("operators_own").is_some() && found("genres_of_old").is_some());
    assert!(found("by_genre").is_none(), "the same keys twice");
}

#[tokio::test]
async fn documents_of_another_shape_are_refused() {
    let Some((store, database)) = fresh().await else { return };
    let user = UserId::generate();
    store.upsert(&[movie(1, &[18])]).await.unwrap();
    store.replace(&Projection { last_seq: 3, ..Projection::empty(user) }).await.unwrap();
    store.save_sync_record("genres", &SyncRecord::default()).await.unwrap();
    store
        .add_scores(watchme_actors::domain::Hour::from_number(1), &[(movie_id(1), 1)])
        .await
        .unwrap();
    store
        .save_genres(&[watchme_actors::domain::Genre {
            id: watchme_actors::testing::contracts::catalogue::samples::genre_id(18),
            name: "Drama".to_owned(),
            retired: false,
            updated_at: Timestamp::EPOCH,
        }])
        .await
        .unwrap();
    let hand = database.hand().await;
    for (collection, wrong) in [
        ("movies", doc! { "$set": { "movie.genres": "18" } }),
        ("movies", doc! { "$set": { "movie.genres": [18, "35"] } }),
        ("movies", doc! { "$set": { "movie.voteCount": -1 } }),
        ("movies", doc! { "$unset": { "rev": 1 } }),
        ("movies", doc! { "$unset": { "keys.fetchedAt": 1 } }),
        ("projections", doc! { "$set": { "lastSeq": -1_i64 } }),
        ("projections", doc! { "$set": { "filmsByGenre": [{ "genreId": 18 }] } }),
        ("genres", doc! { "$set": { "retired": 0 } }),
        ("syncRecords", doc! { "$unset": { "changed": 1 } }),
        ("scores", doc! { "$set": { "score": "many" } }),
    ] {
        let documents = hand.collection::<Document>(collection);
        let refused = documents.update_one(doc! {}, wrong.clone()).await;
        assert!(refused.is_err(), "{collection} takes {wrong}");
        let whole = documents.insert_one(doc! { "_id": "another" }).await;
        assert!(whole.is_err(), "{collection} takes an empty document");
        // And what is right is taken.
        let stored = documents.find_one(doc! {}).await.unwrap().unwrap();
        let id = stored.get("_id").cloned().unwrap();
        let options = ReplaceOptions::default();
        let again = documents.replace_one(doc! { "_id": id }, stored).with_options(options).await;
        assert_eq!(again.unwrap().matched_count, 1, "{collection}");
    }
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
async fn replicas_that_store_the_same_movie_keep_the_newest_and_its_details() {
    let Some((store, _database)) = fresh().await else { return };
    let at = |millis| Timestamp::from_millis(1_700_000_000_000 + millis);
    let details = watchme_actors::testing::contracts::catalogue::samples::details();
    let writers = (1..=12).map(|turn: i64| {
        let store = store.clone();
        let version = Movie {
            title: format!("Version {turn}"),
            details: (turn == 5).then(|| details.clone()),
            fetched_at: at(turn * 5 % 13),
            ..movie(1, &[18])
        };
        tokio::spawn(async move {
            let batch = [movie(100 + turn, &[18]), version];
            store.upsert(&batch).await.unwrap()
        })
    });
    let mut changed: Vec<Vec<MovieId>> = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        changed.push(writer.await.unwrap());
    }
    assert!(changed.iter().all(|ids| ids.iter().any(|id| id.get() > 100)), "{changed:?}");
    let last = store.movie(movie_id(1)).await.unwrap().unwrap();
    assert_eq!(last.fetched_at, at(12));
    assert_eq!(store.count().await.unwrap(), 13);
    let newest = Movie { fetched_at: at(12), details: last.details.clone(), ..last.clone() };
    assert_eq!(last, newest);
}

/// Whether a plan reads a whole collection, in the words of MongoDB and of PostgreSQL.
fn scans(plan: &Document) -> bool {
    let text = plan.to_string();
    text.contains("COLLSCAN") || text.contains("Seq Scan")
}

#[tokio::test]
async fn lists_of_a_catalogue_are_read_from_indexes_and_in_time() {
    let Some((store, database)) = fresh().await else { return };
    let genres = [12, 14, 16, 18, 27, 28, 35, 36, 37, 53, 80, 99, 878, 9648, 10402, 10749];
    let movies: Vec<Movie> = (1..=3_200)
        .map(|id: i64| {
            let of = [id, id / 16, id / 5].map(|nth| genres[nth as usize % genres.len()]);
            Movie { popularity: (id * 7_919 % 3_203) as f64, ..movie(id, &of) }
        })
        .collect();
    let begun = Instant::now();
    let changed = store.upsert(&movies).await.unwrap();
    eprintln!("3,200 movies stored in {:?}", begun.elapsed());
    assert_eq!(changed.len(), movies.len());
    let begun = Instant::now();
    assert!(store.upsert(&movies).await.unwrap().is_empty());
    eprintln!("3,200 movies stored again in {:?}", begun.elapsed());

    let permitted = [12, 18, 35];
    for sort in ["-popularity", "popularity", "-rating", "releaseDate", "-title"] {
        let sort: MovieSort = sort.parse().unwrap();
        let query = watchme_actors::domain::MovieQuery { sort, ..everything(&permitted) };
        for (name, plan) in store.plans(&query, PageRequest::default()).await.unwrap() {
            assert!(!scans(&plan), "{name}: {plan}");
        }
    }
    let whole = database.hand().await;
    let scan = doc! { "find": "movies", "filter": { "movie.overview": "x" } };
    let scan = whole.run_command(doc! { "explain": scan, "verbosity": "queryPlanner" }).await;
    assert!(scans(&scan.unwrap()), "a plan that scans has to be seen as one");

    let query = everything(&permitted);
    let expected = |page| {
        watchme_actors::testing::contracts::catalogue::samples::expected(&movies, &query, page)
    };
    let total = u32::try_from(expected(PageRequest::default()).total_items).unwrap();
    assert!(total > 1_200, "the far pages have to be far: {total}");
    for number in [1, 2, total / 20, total / 10 - 1, total / 10, total / 10 + 1, total / 10 + 2] {
        let page = PageRequest::new(number, 10).unwrap();
        let begun = Instant::now();
        let found = store.movies(&query, page).await.unwrap();
        eprintln!("page {number} of {total} movies in {:?}", begun.elapsed());
        assert_eq!(found, expected(page), "page {number}");
    }
    for page in (1..=u32::MAX).map(|number| PageRequest::new(number, 100).unwrap()) {
        let found = store.movies(&query, page).await.unwrap();
        assert_eq!(found, expected(page), "{page:?}");
        if found.items.is_empty() {
            break;
        }
    }
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
