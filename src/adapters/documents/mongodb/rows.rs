//! Rows of movies: of each document what lists are made of, and no more.

use mongodb::{
    bson::{Document, RawDocumentBuf, doc},
    options::FindOptions,
};
use serde::Deserialize;
use watchme_actors::{
    domain::{GenreSet, MovieId, MovieRow},
    ports::StoreError,
};

use super::{
    MongoDocuments, catalogue::KIND, documents::read_or_skip, schema::MOVIES, selection::numbers,
};

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "_id")]
    id: MovieId,
    keys: Keys,
    movie: Fields,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    title: String,
    original_title: String,
    released: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    original_language: String,
    genres: GenreSet,
    popularity: f64,
    vote_average: f64,
}

impl From<Row> for MovieRow {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            title_key: row.keys.title,
            original_title_key: row.keys.original_title,
            original_language: row.movie.original_language,
            released: row.keys.released,
            genres: row.movie.genres,
            popularity: row.movie.popularity,
            vote_average: row.movie.vote_average,
        }
    }
}

/// The rows after a movie, by ascending id.
pub(super) async fn rows_after(
    store: &MongoDocuments,
    mut after: Option<MovieId>,
    limit: u32,
) -> Result<Vec<MovieRow>, StoreError> {
    if limit == 0 {
        // To the server it would mean no limit.
        return Ok(Vec::new());
    }
    loop {
        let later = doc! { "_id": { "$gt": after.map_or(0, i64::from) } };
        let options = FindOptions::builder().limit(i64::from(limit)).batch_size(limit);
        let found = find(store, later, options.projection(fields()).build()).await?;
        let rows = readable(&found);
        let last = found.last().and_then(id_of);
        // None would say that there are no more.
        if !rows.is_empty() || last.is_none() {
            return Ok(rows);
        }
        after = last;
    }
}

/// The rows of these movies, by ascending id.
pub(super) async fn rows_of(
    store: &MongoDocuments,
    ids: &[MovieId],
) -> Result<Vec<MovieRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let these = doc! { "_id": { "$in": numbers(ids.iter().copied()) } };
    let options = FindOptions::builder().projection(fields()).build();
    Ok(readable(&find(store, these, options).await?))
}

async fn find(
    store: &MongoDocuments,
    filter: Document,
    mut options: FindOptions,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    options.sort = Some(doc! { "_id": 1 });
    store.find(MOVIES, filter, options).await
}

fn fields() -> Document {
    let fields = [
        "keys.title",
        "keys.originalTitle",
        "keys.released",
        "movie.originalLanguage",
        "movie.genres",
        "movie.popularity",
        "movie.voteAverage",
    ];
    fields.into_iter().map(|field| (field.to_owned(), 1.into())).collect()
}

fn readable(found: &[RawDocumentBuf]) -> Vec<MovieRow> {
    let rows = found.iter().filter_map(|row| read_or_skip::<Row>(KIND, row));
    rows.map(MovieRow::from).collect()
}

/// The movie that a document is about; `None` where it is none's, which nothing here writes.
pub(super) fn id_of(row: &RawDocumentBuf) -> Option<MovieId> {
    let id = row.get("_id").ok()??;
    MovieId::try_from(id.as_i64().or(id.as_i32().map(i64::from))?).ok()
}
