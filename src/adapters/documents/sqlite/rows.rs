//! Rows of movies, from the narrow tables: no document is parsed for them.

use sqlx::SqlitePool;
use watchme_actors::{
    domain::{GenreId, GenreSet, MovieId, MovieRow},
    ports::StoreError,
};

use super::{errors::store_error, json::numbers};

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    title_key: String,
    original_title_key: String,
    language: String,
    released: Option<i32>,
    /// Numbers with commas between them; NULL where there are none.
    genres: Option<String>,
    popularity: f64,
    vote_average: f64,
}

/// The rows after a movie, by ascending id.
pub(super) async fn rows_after(
    readers: &SqlitePool,
    after: Option<MovieId>,
    limit: u32,
) -> Result<Vec<MovieRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT m.id, m.title_key, m.original_title_key, m.language, m.released, m.popularity, m.vote_average,
             (SELECT group_concat(g.genre_id) FROM movie_genres AS g WHERE g.movie_id = m.id) AS genres
         FROM movies AS m WHERE m.id > ? ORDER BY m.id LIMIT ?",
    )
    .bind(after.map_or(0, i64::from))
    .bind(i64::from(limit))
    .fetch_all(readers)
    .await
    .map_err(store_error)?;
    Ok(rows.into_iter().filter_map(row).collect())
}

/// The rows of these movies, by ascending id.
pub(super) async fn rows_of(
    readers: &SqlitePool,
    ids: &[MovieId],
) -> Result<Vec<MovieRow>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT m.id, m.title_key, m.original_title_key, m.language, m.released, m.popularity, m.vote_average,
             (SELECT group_concat(g.genre_id) FROM movie_genres AS g WHERE g.movie_id = m.id) AS genres
         FROM movies AS m WHERE m.id IN (SELECT value FROM json_each(?)) ORDER BY m.id",
    )
    .bind(numbers(ids.iter().copied()))
    .fetch_all(readers)
    .await
    .map_err(store_error)?;
    Ok(rows.into_iter().filter_map(row).collect())
}

/// `None` where the id is no movie's, which nothing here can have written.
fn row(row: Row) -> Option<MovieRow> {
    Some(MovieRow {
        id: MovieId::try_from(row.id).ok()?,
        title_key: row.title_key,
        original_title_key: row.original_title_key,
        original_language: row.language,
        released: row.released,
        genres: row.genres.as_deref().map(genres).unwrap_or_default(),
        popularity: row.popularity,
        vote_average: row.vote_average,
    })
}

fn genres(numbers: &str) -> GenreSet {
    numbers.split(',').filter_map(|number| number.parse::<GenreId>().ok()).collect()
}
