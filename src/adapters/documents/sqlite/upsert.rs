//! Writing movies: the document, the columns that queries use, and the genres.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use watchme_actors::{
    domain::{Movie, MovieId},
    ports::StoreError,
};

use super::{
    errors::store_error,
    json::{numbers, read_or_skip, write},
};
use crate::adapters::documents::merge::{outcome, same_facts};

/// Stores movies within the transaction of `connection`; the ids of those whose facts changed.
pub(super) async fn upsert(
    connection: &mut SqliteConnection,
    movies: &[Movie],
) -> Result<Vec<MovieId>, StoreError> {
    let before = stored(connection, movies).await?;
    let mut changed = Vec::new();
    for movie in outcome(&before, movies) {
        let old = before.get(&movie.id);
        write_movie(connection, &movie).await?;
        if old.is_none_or(|old| old.genres != movie.genres) {
            write_genres(connection, &movie).await?;
        }
        if old.is_none_or(|old| !same_facts(old, &movie)) {
            changed.push(movie.id);
        }
    }
    Ok(changed)
}

/// The stored movies of the same ids. What cannot be read counts as absent and is overwritten.
async fn stored(
    connection: &mut SqliteConnection,
    movies: &[Movie],
) -> Result<HashMap<MovieId, Movie>, StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, document FROM movie_documents WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(numbers(movies.iter().map(|movie| movie.id)))
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    let readable = rows.iter().filter_map(|(id, text)| read_or_skip::<Movie>("movie", id, text));
    Ok(readable.map(|movie| (movie.id, movie)).collect())
}

async fn write_movie(connection: &mut SqliteConnection, movie: &Movie) -> Result<(), StoreError> {
    let id = i64::from(movie.id);
    sqlx::query(
        "INSERT INTO movies (id, popularity, vote_average, released, title_key, original_title_key, language, fetched_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET popularity = excluded.popularity, vote_average = excluded.vote_average,
             released = excluded.released, title_key = excluded.title_key,
             original_title_key = excluded.original_title_key, language = excluded.language,
             fetched_at = excluded.fetched_at",
    )
    .bind(id)
    .bind(movie.popularity)
    .bind(movie.vote_average)
    .bind(movie.released())
    .bind(movie.title.to_lowercase())
    .bind(movie.original_title.to_lowercase())
    .bind(&movie.original_language)
    .bind(movie.fetched_at.as_millis())
    .execute(&mut *connection)
    .await
    .map_err(store_error)?;
    sqlx::query(
        "INSERT INTO movie_documents (id, document) VALUES (?, ?)
         ON CONFLICT (id) DO UPDATE SET document = excluded.document",
    )
    .bind(id)
    .bind(write("movie", id, movie)?)
    .execute(connection)
    .await
    .map(drop)
    .map_err(store_error)
}

async fn write_genres(connection: &mut SqliteConnection, movie: &Movie) -> Result<(), StoreError> {
    let id = i64::from(movie.id);
    sqlx::query("DELETE FROM movie_genres WHERE movie_id = ?")
        .bind(id)
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    sqlx::query("INSERT INTO movie_genres (genre_id, movie_id) SELECT value, ? FROM json_each(?)")
        .bind(id)
        .bind(numbers(movie.genres.iter()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(store_error)
}
