//! The port of the outbox, and the writing of events into it.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Any, AnyConnection, QueryBuilder};
use tokio::sync::Notify;
use watchme_actors::{
    domain::{EventId, Timestamp, WatchEvent},
    ports::{Backlog, Outbox, OutboxRow, StoreError, current_trace},
};

use super::{
    SqlStore,
    errors::Db,
    idempotency,
    rows::{get, number, optional_time, parsed, time, to_json},
};

/// Rows that one purge deletes of each kind, and that one statement names.
const BATCH: usize = 500;

pub(super) const UNPUBLISHED: &str = "SELECT id, event_id, user_id, kind, payload, created_at,
    traceparent FROM outbox
    WHERE state = 0 ORDER BY id LIMIT ?";

const BACKLOG: &str = "SELECT
    (SELECT COUNT(*) FROM outbox WHERE state = 0) AS events,
    (SELECT created_at FROM outbox WHERE state = 0 ORDER BY id LIMIT 1) AS oldest";

/// Writes an event, in the transaction of its cause.
pub(super) async fn insert(conn: &mut AnyConnection, event: &WatchEvent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, traceparent)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(event.id.to_string())
    .bind(event.user_id.to_string())
    .bind(event.change.kind())
    .bind(to_json(event)?)
    .bind(event.at.as_millis())
    .bind(current_trace().map(|trace| trace.to_string()))
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

/// Ends a statement with `id IN (…)` and runs it. Statements of every length would push the
/// useful ones out of the connection's cache, so it is not kept.
async fn execute_for(
    conn: &mut AnyConnection,
    mut statement: QueryBuilder<Any>,
    ids: &[i64],
) -> Result<u64, StoreError> {
    statement.push(" AND id IN (");
    let mut list = statement.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    statement.push(")");
    let done = statement.build().persistent(false).execute(conn).await.db()?;
    Ok(done.rows_affected())
}

impl SqlStore {
    async fn purge_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM outbox WHERE state = 1 AND published_at < ? LIMIT ?",
        )
        .bind(before.as_millis())
        .bind(BATCH as i64)
        .fetch_all(self.reader())
        .await
        .db()?;
        if ids.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin_write().await?;
        let statement = QueryBuilder::new("DELETE FROM outbox WHERE state = 1");
        let deleted = execute_for(&mut tx, statement, &ids).await?;
        tx.commit().await.db()?;
        Ok(deleted)
    }

    async fn purge_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        // The newest of one batch of the oldest: a bound that no engine needs `DELETE … LIMIT` for.
        let newest: Option<i64> = sqlx::query_scalar(
            "SELECT MAX(created_at) FROM (SELECT created_at FROM idempotency_keys
             WHERE created_at <= ? ORDER BY created_at LIMIT ?) AS batch",
        )
        .bind(idempotency::expired_at(now))
        .bind(BATCH as i64)
        .fetch_one(self.reader())
        .await
        .db()?;
        let Some(newest) = newest else { return Ok(0) };
        let mut tx = self.begin_write().await?;
        let deleted = sqlx::query("DELETE FROM idempotency_keys WHERE created_at <= ?")
            .bind(newest)
            .execute(&mut *tx)
            .await
            .db()?;
        tx.commit().await.db()?;
        Ok(deleted.rows_affected())
    }
}

#[async_trait]
impl Outbox for SqlStore {
    fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.committed)
    }

    async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let rows =
            sqlx::query(UNPUBLISHED).bind(i64::from(limit)).fetch_all(self.reader()).await.db()?;
        rows.iter()
            .map(|row| {
                Ok(OutboxRow {
                    id: get(row, "id")?,
                    event_id: parsed(row, "event_id")?,
                    user_id: parsed(row, "user_id")?,
                    kind: get(row, "kind")?,
                    payload: get(row, "payload")?,
                    at: time(row, "created_at")?,
                    // One that cannot be read is no reason to hold an event back.
                    traceparent: get::<Option<String>>(row, "traceparent")?
                        .and_then(|text| text.parse().ok()),
                })
            })
            .collect()
    }

    async fn mark_published(&self, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_write().await?;
        for batch in ids.chunks(BATCH) {
            let mut statement = QueryBuilder::new("UPDATE outbox SET state = 1, published_at = ");
            // Only what waits: an event that was buried meanwhile stays buried.
            statement.push_bind(now.as_millis()).push(" WHERE state = 0");
            execute_for(&mut tx, statement, batch).await?;
        }
        tx.commit().await.db()
    }

    async fn bury(&self, event: EventId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sqlx::query(
            "UPDATE outbox SET state = 2, buried_at = ?, buried_reason = ?
             WHERE event_id = ? AND state <> 2",
        )
        .bind(now.as_millis())
        .bind(reason)
        .bind(event.to_string())
        .execute(&mut *tx)
        .await
        .db()?;
        tx.commit().await.db()
    }

    async fn republish(&self, since: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        let waiting = sqlx::query(
            "UPDATE outbox SET state = 0, published_at = NULL WHERE state = 1 AND created_at >= ?",
        )
        .bind(since.as_millis())
        .execute(&mut *tx)
        .await
        .db()?;
        self.commit_event(tx).await?;
        Ok(waiting.rows_affected())
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let row = sqlx::query(BACKLOG).fetch_one(self.reader()).await.db()?;
        Ok(Backlog { events: number(&row, "events")?, oldest: optional_time(&row, "oldest")? })
    }

    async fn purge(&self, events_before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.purge_events(events_before).await? + self.purge_keys(now).await?)
    }
}
