//! The port of dead letters, over events that were buried in the outbox: for a bus that stores
//! nothing itself.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use watchme_actors::{
    domain::{UserId, partition_of},
    ports::{BusError, DeadLetter, DeadLetters, StoreError},
};

use super::{
    SqlStore,
    errors::Db,
    rows::{get, number, parsed, time},
};

pub(super) const BURIED: &str = "SELECT id, event_id, user_id, kind, payload,
    COALESCE(buried_at, created_at) AS at, COALESCE(buried_reason, '') AS reason FROM outbox
    WHERE state = 2 AND id > ? ORDER BY id LIMIT ?";

/// Binds: identifier.
pub(super) const REPLAY: &str = "UPDATE outbox SET state = 0, published_at = NULL,
    buried_at = NULL, buried_reason = NULL WHERE id = ? AND state = 2";

fn dead_letter(row: &AnyRow) -> Result<DeadLetter, StoreError> {
    let user: UserId = parsed(row, "user_id")?;
    let kind: &str = get(row, "kind")?;
    Ok(DeadLetter {
        id: number(row, "id")?,
        at: time(row, "at")?,
        reason: get(row, "reason")?,
        subject: format!("watchme.watch.v1.{}.{kind}.{user}", partition_of(user)),
        message_id: get(row, "event_id")?,
        original: get(row, "payload")?,
    })
}

fn bus(error: StoreError) -> BusError {
    BusError::Unavailable(error.to_string())
}

#[async_trait]
impl DeadLetters for SqlStore {
    async fn list(&self, after: u64, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        // Nothing has a higher number than a column can hold.
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        self.read(|mut tx| async move {
            let rows = sqlx::query(BURIED)
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await
                .db()?;
            rows.iter().map(dead_letter).collect::<Result<_, StoreError>>()
        })
        .await
        .map_err(bus)
    }

    async fn replay(&self, id: u64) -> Result<bool, BusError> {
        let Ok(id) = i64::try_from(id) else { return Ok(false) };
        self.write(|mut tx| async move {
            let waiting = sqlx::query(REPLAY).bind(id).execute(&mut *tx).await.db()?;
            let found = waiting.rows_affected() > 0;
            if found {
                tx.wake_relay();
            }
            Ok::<_, StoreError>(found)
        })
        .await
        .map_err(bus)
    }
}
