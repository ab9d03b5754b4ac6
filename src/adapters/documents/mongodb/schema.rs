//! The collections with their indexes and validators, and how a server comes by them. Everything
//! here may be done again, and by two replicas at once.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::{
    Database, IndexModel,
    bson::{Document, doc},
    error::{Error, ErrorKind, Result},
    options::IndexOptions,
};

pub(super) const MOVIES: &str = "movies";
pub(super) const GENRES: &str = "genres";
pub(super) const PROJECTIONS: &str = "projections";
pub(super) const SYNC_RECORDS: &str = "syncRecords";
pub(super) const SCORES: &str = "scores";

/// `NamespaceExists`.
const EXISTS: i32 = 48;
/// `Unauthorized`.
const UNAUTHORIZED: i32 = 13;
/// `IndexNotFound`.
const NO_INDEX: i32 = 27;

struct Declared {
    collection: &'static str,
    /// A JSON schema in MongoDB's dialect.
    schema: &'static str,
    indexes: &'static [(&'static str, &'static [(&'static str, i32)])],
}

const DECLARED: [Declared; 5] = [
    Declared {
        collection: MOVIES,
        schema: include_str!("../../../../migrations/mongodb/movies.json"),
        // An order ends in the id, ascending, which breaks ties in both directions: hence two.
        indexes: &[
            ("by_popularity", &[("movie.popularity", 1), ("_id", 1)]),
            ("by_popularity_desc", &[("movie.popularity", -1), ("_id", 1)]),
            ("by_rating", &[("movie.voteAverage", 1), ("_id", 1)]),
            ("by_rating_desc", &[("movie.voteAverage", -1), ("_id", 1)]),
            ("by_release", &[("keys.released", 1), ("_id", 1)]),
            ("by_release_desc", &[("keys.released", -1), ("_id", 1)]),
            ("by_title", &[("keys.title", 1), ("_id", 1)]),
            ("by_title_desc", &[("keys.title", -1), ("_id", 1)]),
            ("by_fetch", &[("keys.fetchedAt", 1), ("_id", 1)]),
            ("by_genre", &[("movie.genres", 1)]),
        ],
    },
    Declared {
        collection: GENRES,
        schema: include_str!("../../../../migrations/mongodb/genres.json"),
        indexes: &[],
    },
    Declared {
        collection: PROJECTIONS,
        schema: include_str!("../../../../migrations/mongodb/projections.json"),
        indexes: &[],
    },
    Declared {
        collection: SYNC_RECORDS,
        schema: include_str!("../../../../migrations/mongodb/syncRecords.json"),
        indexes: &[],
    },
    Declared {
        collection: SCORES,
        schema: include_str!("../../../../migrations/mongodb/scores.json"),
        indexes: &[("by_hour", &[("hour", 1)])],
    },
];

/// Makes what is missing and brings the rest to this version. Indexes of other names are let be.
pub(super) async fn declare(database: &Database) -> Result<()> {
    for declared in &DECLARED {
        let schema: Document = serde_json::from_str(declared.schema).map_err(Error::custom)?;
        let command = |word: &str| {
            doc! {
                word: declared.collection,
                "validator": { "$jsonSchema": &schema },
                "validationLevel": "moderate",
                "validationAction": "error",
            }
        };
        unless(EXISTS, database.run_command(command("create")).await)?;
        // Again: this renews an older version's, and FerretDB takes note of validators here only.
        match database.run_command(command("collMod")).await {
            Err(error) if has_code(&error, UNAUTHORIZED) => tracing::warn!(
                collection = declared.collection,
                "the account lacks the role dbAdmin: the validator stays as it is"
            ),
            done => drop(done?),
        }
        index(database, declared).await?;
    }
    Ok(())
}

async fn index(database: &Database, declared: &Declared) -> Result<()> {
    let collection = database.collection::<Document>(declared.collection);
    let present: Vec<IndexModel> = collection.list_indexes().await?.try_collect().await?;
    let named = |index: IndexModel| {
        let name = index.options.as_ref().and_then(|options| options.name.clone())?;
        Some((name, index))
    };
    let present: HashMap<String, IndexModel> = present.into_iter().filter_map(named).collect();
    let mut missing = Vec::new();
    for (name, keys) in declared.indexes {
        let keys: Document =
            keys.iter().map(|(key, way)| ((*key).to_owned(), (*way).into())).collect();
        match present.get(*name) {
            Some(found) if is_plain(found, &keys) => continue,
            Some(_) => unless(NO_INDEX, collection.drop_index(*name).await)?,
            // An operator may have made it before, by another name.
            None if present.values().any(|found| is_plain(found, &keys)) => continue,
            None => {}
        }
        let options = IndexOptions::builder().name((*name).to_owned()).build();
        missing.push(IndexModel::builder().keys(keys).options(options).build());
    }
    if !missing.is_empty() {
        collection.create_indexes(missing).await?;
    }
    Ok(())
}

/// Whether an index has these keys over all documents, and no option that would make it another.
fn is_plain(index: &IndexModel, keys: &Document) -> bool {
    let ways = |keys: &Document| -> Vec<(String, Option<i64>)> {
        let way = |value: &mongodb::bson::Bson| {
            value
                .as_i64()
                .or(value.as_i32().map(i64::from))
                .or(value.as_f64().map(|way| way as i64))
        };
        keys.iter().map(|(key, value)| (key.clone(), way(value))).collect()
    };
    let plain = index.options.as_ref().is_none_or(|options| {
        options.unique != Some(true)
            && options.sparse != Some(true)
            && options.hidden != Some(true)
            && options.expire_after.is_none()
            && options.partial_filter_expression.is_none()
            && options.collation.is_none()
    });
    plain && ways(&index.keys) == ways(keys)
}

fn unless<T>(code: i32, done: Result<T>) -> Result<()> {
    match done {
        Err(error) if has_code(&error, code) => Ok(()),
        done => done.map(drop),
    }
}

fn has_code(error: &Error, code: i32) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == code)
}
