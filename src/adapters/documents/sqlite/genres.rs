//! The genre port.

use async_trait::async_trait;
use watchme_actors::{
    domain::{Genre, GenreList},
    ports::{GenreStore, StoreError},
};

use super::{
    SqliteDocuments,
    errors::store_error,
    json::{read_or_skip, write},
};

#[async_trait]
impl GenreStore for SqliteDocuments {
    async fn genres(&self) -> Result<GenreList, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, document FROM genres")
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        Ok(rows.iter().filter_map(|(id, text)| read_or_skip::<Genre>("genre", id, text)).collect())
    }

    async fn save_genres(&self, genres: &[Genre]) -> Result<(), StoreError> {
        let mut transaction =
            self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        for genre in genres {
            sqlx::query(
                "INSERT INTO genres (id, document) VALUES (?, ?)
                 ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            )
            .bind(i64::from(genre.id))
            .bind(write("genre", genre.id, genre)?)
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }
}
