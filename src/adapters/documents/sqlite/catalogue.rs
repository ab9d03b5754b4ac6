//! The catalogue port.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use watchme_actors::{
    domain::{Movie, MovieId, MovieQuery, MovieRow, Page, PageRequest, Timestamp},
    ports::{Catalogue, StoreError},
};

use super::{
    SqliteDocuments,
    errors::store_error,
    json::{numbers, read, read_or_skip},
    rows::{rows_after, rows_of},
    selection::{counting, page_of},
    upsert::upsert,
};

#[async_trait]
impl Catalogue for SqliteDocuments {
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        sqlx::query_scalar::<_, String>("SELECT document FROM movie_documents WHERE id = ?")
            .bind(i64::from(id))
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?
            .map(|document| read("movie", id, &document))
            .transpose()
    }

    async fn by_ids(&self, ids: &[MovieId]) -> Result<Vec<Movie>, StoreError> {
        let ids: Vec<i64> = ids.iter().copied().map(i64::from).collect();
        let mut connection = self.readers.acquire().await.map_err(store_error)?;
        documents(&mut connection, &ids).await
    }

    async fn movies(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Page<Movie>, StoreError> {
        // One transaction is one snapshot: the count and the rows agree.
        let mut snapshot = self.readers.begin().await.map_err(store_error)?;
        let total = counting(query)
            .build_query_scalar::<i64>()
            .fetch_one(&mut *snapshot)
            .await
            .map_err(store_error)?;
        let total_items = u64::try_from(total).unwrap_or(0);
        let items = if page.offset() < total_items {
            let ids = page_of(query, page)
                .build_query_scalar::<i64>()
                .fetch_all(&mut *snapshot)
                .await
                .map_err(store_error)?;
            documents(&mut snapshot, &ids).await?
        } else {
            Vec::new()
        };
        snapshot.commit().await.map_err(store_error)?;
        Ok(Page { items, total_items, request: page })
    }

    async fn upsert(&self, movies: &[Movie]) -> Result<Vec<MovieId>, StoreError> {
        if movies.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction =
            self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        let changed = upsert(&mut transaction, movies).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(changed)
    }

    async fn remove(&self, movies: &[MovieId]) -> Result<(), StoreError> {
        let ids = numbers(movies.iter().copied());
        let mut transaction =
            self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        for statement in [
            "DELETE FROM movie_genres WHERE movie_id IN (SELECT value FROM json_each(?))",
            "DELETE FROM movie_documents WHERE id IN (SELECT value FROM json_each(?))",
            "DELETE FROM movies WHERE id IN (SELECT value FROM json_each(?))",
        ] {
            sqlx::query(statement)
                .bind(&ids)
                .execute(&mut *transaction)
                .await
                .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    async fn fetched_before(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<MovieId>, StoreError> {
        let ids = sqlx::query_scalar::<_, i64>(
            "SELECT id FROM movies WHERE fetched_at < ? ORDER BY fetched_at, id LIMIT ?",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        Ok(ids.into_iter().filter_map(|id| MovieId::try_from(id).ok()).collect())
    }

    async fn rows_after(
        &self,
        after: Option<MovieId>,
        limit: u32,
    ) -> Result<Vec<MovieRow>, StoreError> {
        rows_after(&self.readers, after, limit).await
    }

    async fn rows_of(&self, ids: &[MovieId]) -> Result<Vec<MovieRow>, StoreError> {
        rows_of(&self.readers, ids).await
    }

    async fn count(&self) -> Result<u64, StoreError> {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM movies")
            .fetch_one(&self.readers)
            .await
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(store_error)
    }
}

/// The movies of these ids, in their order.
async fn documents(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<Vec<Movie>, StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, document FROM movie_documents WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(numbers(ids.iter().copied()))
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    let mut found: HashMap<i64, String> = rows.into_iter().collect();
    Ok(ids
        .iter()
        .filter_map(|id| found.remove(id).and_then(|text| read_or_skip("movie", id, &text)))
        .collect())
}
