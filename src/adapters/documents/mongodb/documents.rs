//! The shapes of documents, as `migrations/mongodb` describes them.

use mongodb::bson::{
    DateTime, Document, RawBsonRef, RawDocumentBuf, deserialize_from_slice, oid::ObjectId,
    serialize_to_document,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use watchme_actors::{
    domain::{Genre, GenreId, LastFilm, Movie, Projection, Timestamp, UserId},
    ports::{StoreError, SyncRecord},
};

use super::errors::corrupt;

#[derive(Serialize, Deserialize)]
pub(super) struct MovieDocument {
    #[serde(rename = "_id")]
    id: i64,
    /// Another at every write, so that a write can tell whether another came before it.
    rev: ObjectId,
    keys: Keys,
    pub(super) movie: Movie,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    title: String,
    original_title: String,
    released: Option<i64>,
    fetched_at: DateTime,
}

impl From<Movie> for MovieDocument {
    fn from(movie: Movie) -> Self {
        let keys = Keys {
            title: movie.title.to_lowercase(),
            original_title: movie.original_title.to_lowercase(),
            released: movie.released().map(i64::from),
            fetched_at: moment(movie.fetched_at),
        };
        Self { id: movie.id.into(), rev: ObjectId::new(), keys, movie }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenreDocument {
    #[serde(rename = "_id")]
    id: GenreId,
    name: String,
    retired: bool,
    updated_at: DateTime,
}

impl From<&Genre> for GenreDocument {
    fn from(genre: &Genre) -> Self {
        Self {
            id: genre.id,
            name: genre.name.clone(),
            retired: genre.retired,
            updated_at: moment(genre.updated_at),
        }
    }
}

impl From<GenreDocument> for Genre {
    fn from(stored: GenreDocument) -> Self {
        Self {
            id: stored.id,
            name: stored.name,
            retired: stored.retired,
            updated_at: timestamp(stored.updated_at),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectionDocument {
    #[serde(rename = "_id")]
    user: String,
    last_seq: u64,
    total_films: u64,
    films_by_genre: Vec<GenreCount>,
    last_film: Option<LastFilm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenreCount {
    genre_id: GenreId,
    films: u64,
}

impl From<&Projection> for ProjectionDocument {
    fn from(projection: &Projection) -> Self {
        let counts = projection.films_by_genre.iter();
        Self {
            user: projection.user_id.to_string(),
            last_seq: projection.last_seq,
            total_films: projection.total_films,
            films_by_genre: counts
                .map(|(genre, films)| GenreCount { genre_id: *genre, films: *films })
                .collect(),
            last_film: projection.last_film.clone(),
        }
    }
}

impl ProjectionDocument {
    pub(super) fn projection(self) -> Result<Projection, StoreError> {
        let user_id: UserId = self
            .user
            .parse()
            .map_err(|_| corrupt(format_args!("projection of user {}: no UUID", self.user)))?;
        let counts = self.films_by_genre.into_iter();
        Ok(Projection {
            user_id,
            last_seq: self.last_seq,
            total_films: self.total_films,
            films_by_genre: counts.map(|count| (count.genre_id, count.films)).collect(),
            last_film: self.last_film,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncDocument {
    #[serde(rename = "_id")]
    name: String,
    last_success: Option<DateTime>,
    last_failure: Option<DateTime>,
    changed: u64,
}

impl SyncDocument {
    pub(super) fn new(name: &str, record: &SyncRecord) -> Self {
        Self {
            name: name.to_owned(),
            last_success: record.last_success.map(moment),
            last_failure: record.last_failure.map(moment),
            changed: record.changed,
        }
    }
}

impl From<SyncDocument> for SyncRecord {
    fn from(stored: SyncDocument) -> Self {
        Self {
            last_success: stored.last_success.map(timestamp),
            last_failure: stored.last_failure.map(timestamp),
            changed: stored.changed,
        }
    }
}

fn moment(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

fn timestamp(moment: DateTime) -> Timestamp {
    Timestamp::from_millis(moment.timestamp_millis())
}

pub(super) fn read<T: DeserializeOwned>(kind: &str, row: &RawDocumentBuf) -> Result<T, StoreError> {
    deserialize_from_slice(row.as_bytes()).map_err(|error| {
        let id = match row.get("_id") {
            Ok(Some(RawBsonRef::String(id))) => id.to_owned(),
            Ok(Some(id)) => id.as_i64().or(id.as_i32().map(i64::from)).unwrap_or(0).to_string(),
            _ => "without id".to_owned(),
        };
        corrupt(format_args!("{kind} {id}: {error}"))
    })
}

/// For lists: one unreadable document must not take all others away, and the next sync or rebuild
/// replaces it.
pub(super) fn read_or_skip<T: DeserializeOwned>(kind: &str, row: &RawDocumentBuf) -> Option<T> {
    read(kind, row)
        .inspect_err(|error| tracing::error!(%error, "an unreadable document is left out"))
        .ok()
}

pub(super) fn write<T: Serialize>(kind: &str, value: &T) -> Result<Document, StoreError> {
    serialize_to_document(value).map_err(|error| corrupt(format_args!("{kind}: {error}")))
}
