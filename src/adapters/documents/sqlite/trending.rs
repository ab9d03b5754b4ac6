//! The trending port.

use async_trait::async_trait;
use watchme_actors::{
    domain::{Hour, MovieId},
    ports::{StoreError, TrendingStore},
};

use super::{SqliteDocuments, errors::store_error};

#[async_trait]
impl TrendingStore for SqliteDocuments {
    async fn add_scores(&self, hour: Hour, scores: &[(MovieId, u64)]) -> Result<(), StoreError> {
        let mut transaction =
            self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        for (movie, score) in scores {
            sqlx::query(
                "INSERT INTO scores (hour, movie_id, score) VALUES (?, ?, ?)
                 ON CONFLICT (hour, movie_id) DO UPDATE SET score = score + excluded.score",
            )
            .bind(hour.number())
            .bind(i64::from(*movie))
            .bind(i64::try_from(*score).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    async fn top_movies(&self, since: Hour, limit: u32) -> Result<Vec<(MovieId, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT movie_id, sum(score) FROM scores WHERE hour >= ?
             GROUP BY movie_id ORDER BY sum(score) DESC, movie_id LIMIT ?",
        )
        .bind(since.number())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        let scored = rows.into_iter().filter_map(|(movie, score)| {
            Some((MovieId::try_from(movie).ok()?, u64::try_from(score).ok()?))
        });
        Ok(scored.collect())
    }

    async fn purge_scores(&self, before: Hour) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM scores WHERE hour < ?")
            .bind(before.number())
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(store_error)
    }
}
