//! The reports port. Each write is one statement that carries its own guard.

use std::collections::HashMap;

use async_trait::async_trait;
use watchme_actors::{
    domain::{Projection, UserId},
    ports::{Reports, StoreError},
};

use super::{
    SqliteDocuments,
    errors::{corrupt, store_error},
    json::{read, read_or_skip, write},
};

const KIND: &str = "projection of user";

#[async_trait]
impl Reports for SqliteDocuments {
    async fn projection(&self, user: UserId) -> Result<Option<Projection>, StoreError> {
        sqlx::query_scalar::<_, String>("SELECT document FROM projections WHERE user_id = ?")
            .bind(user.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?
            .map(|document| read(KIND, user, &document))
            .transpose()
    }

    async fn projections(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Projection>, StoreError> {
        let ids = write("list of", "users", &users)?;
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT user_id, document FROM projections WHERE user_id IN (SELECT value FROM json_each(?))",
        )
        .bind(ids)
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        let readable = rows.iter().filter_map(|(user, text)| read_or_skip(KIND, user, text));
        Ok(readable.map(|found: Projection| (found.user_id, found)).collect())
    }

    async fn advance(&self, from_seq: u64, next: &Projection) -> Result<bool, StoreError> {
        let user = next.user_id.to_string();
        let from = sequence(from_seq)?;
        let written = sqlx::query(
            "INSERT INTO projections (user_id, last_seq, document)
             SELECT ?1, ?2, ?3 WHERE ?4 = 0 OR EXISTS (SELECT 1 FROM projections WHERE user_id = ?1)
             ON CONFLICT (user_id) DO UPDATE
             SET last_seq = excluded.last_seq, document = excluded.document
             WHERE projections.last_seq = ?4",
        )
        .bind(&user)
        .bind(sequence(next.last_seq)?)
        .bind(write(KIND, &user, next)?)
        .bind(from)
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(written.rows_affected() == 1)
    }

    async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError> {
        let user = rebuilt.user_id.to_string();
        let written = sqlx::query(
            "INSERT INTO projections (user_id, last_seq, document) VALUES (?, ?, ?)
             ON CONFLICT (user_id) DO UPDATE
             SET last_seq = excluded.last_seq, document = excluded.document
             WHERE projections.last_seq <= excluded.last_seq",
        )
        .bind(&user)
        .bind(sequence(rebuilt.last_seq)?)
        .bind(write(KIND, &user, rebuilt)?)
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(written.rows_affected() == 1)
    }

    async fn erase(&self, user: UserId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM projections WHERE user_id = ?")
            .bind(user.to_string())
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(store_error)
    }
}

fn sequence(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| corrupt(format!("sequence number {seq} is out of range")))
}
