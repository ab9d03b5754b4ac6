//! What MongoDB is told of the documents: collections, indexes, validators, and what they do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::time::Instant;

use mongodb::{
    IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};
use watchme_actors::{
    domain::{
        Genre, Hour, Movie, MovieQuery, MovieSort, PageRequest, Projection, Timestamp, UserId,
    },
    ports::{Catalogue, GenreStore, Reports, SyncLog, SyncRecord, TrendingStore},
    testing::contracts::catalogue::samples::{everything, expected, genre_id, movie, movie_id},
};

use super::documents_mongodb::{Fresh, fresh};

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
    store.add_scores(Hour::from_number(1), &[(movie_id(1), 1)]).await.unwrap();
    store
        .save_genres(&[Genre {
            id: genre_id(18),
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
        let again = documents.replace_one(doc! { "_id": id }, stored).await;
        assert_eq!(again.unwrap().matched_count, 1, "{collection}");
    }
}

/// Whether a plan reads a whole collection: in MongoDB's words, in PostgreSQL's, or through an
/// index that is asked for nothing but the collection itself.
fn scans(plan: &Document) -> bool {
    let text = plan.to_string();
    let whole = |condition: &str| {
        let condition = condition.split('"').next().unwrap();
        condition.starts_with("(shard_key_value = ") && !condition.contains(" AND ")
    };
    text.contains("COLLSCAN")
        || text.contains("Seq Scan")
        || text.split("\"Index Cond\": \"").skip(1).any(whole)
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
        let query = MovieQuery { sort, ..everything(&permitted) };
        for (name, plan) in store.plans(&query, PageRequest::default()).await.unwrap() {
            assert!(!scans(&plan), "{name}: {plan}");
        }
    }
    let whole = database.hand().await;
    let scan = doc! { "find": "movies", "filter": { "movie.overview": "x" } };
    let scan = whole.run_command(doc! { "explain": scan, "verbosity": "queryPlanner" }).await;
    assert!(scans(&scan.unwrap()), "a plan that scans has to be seen as one");

    let query = everything(&permitted);
    let expected = |page| expected(&movies, &query, page);
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
