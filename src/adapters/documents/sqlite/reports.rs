//! The reports port. Each write is one statement that carries its own guard.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde::Serialize;
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

    async fn advance_all(&self, steps: &[(u64, Projection)]) -> Vec<Result<bool, StoreError>> {
        let advanced = self.advance_stored(steps).await;
        let mut outcomes = Vec::with_capacity(steps.len());
        for (from_seq, next) in steps {
            outcomes.push(match &advanced {
                // There may be nothing yet.
                _ if *from_seq == 0 => self.advance(*from_seq, next).await,
                Ok(advanced) => Ok(advanced.contains(&next.user_id.to_string())),
                Err(error) => Err(error.clone()),
            });
        }
        outcomes
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

/// A step as the statement reads it.
#[derive(Serialize)]
struct Step {
    user: String,
    from: i64,
    to: i64,
    document: String,
}

impl SqliteDocuments {
    /// Stores those that are stored already in one statement; the users of those that it did.
    async fn advance_stored(
        &self,
        steps: &[(u64, Projection)],
    ) -> Result<HashSet<String>, StoreError> {
        let stored = steps.iter().filter(|(from_seq, _)| *from_seq > 0);
        let stored: Vec<Step> = stored
            .map(|(from_seq, next)| {
                let user = next.user_id.to_string();
                let document = write(KIND, &user, next)?;
                let (from, to) = (sequence(*from_seq)?, sequence(next.last_seq)?);
                Ok(Step { user, from, to, document })
            })
            .collect::<Result<_, StoreError>>()?;
        if stored.is_empty() {
            return Ok(HashSet::new());
        }
        let advanced: Vec<String> = sqlx::query_scalar(
            "UPDATE projections SET last_seq = step.value ->> 'to', document = step.value ->> 'document'
             FROM json_each(?) AS step
             WHERE projections.user_id = step.value ->> 'user'
             AND projections.last_seq = step.value ->> 'from'
             RETURNING projections.user_id",
        )
        .bind(write("steps of", "reports", &stored)?)
        .fetch_all(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(advanced.into_iter().collect())
    }
}

fn sequence(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|_| corrupt(format!("sequence number {seq} is out of range")))
}
