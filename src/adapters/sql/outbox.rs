//! The port of the outbox, and the writing of events into it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{Any, AnyConnection, QueryBuilder};
use tokio::sync::Notify;
use watchme_actors::{
    domain::{EventId, Timestamp, UserId, WatchEvent},
    ports::{Backlog, Erased, Outbox, OutboxRow, StoreError, current_trace},
};

use super::{
    SqlStore,
    batch::Batch,
    errors::Db,
    rows::{get, number, optional_time, parsed, time, to_json},
    work::Tx,
};

/// Rows that one purge deletes of each kind, and that one statement names.
const BATCH: usize = 500;

pub(super) const UNPUBLISHED: &str = "SELECT id, event_id, user_id, kind, payload, created_at,
    times_published, traceparent FROM outbox
    WHERE state = 0 ORDER BY id LIMIT ?";

/// A batch of what may be purged. Binds: moment, size.
pub(super) const PURGEABLE: &str =
    "SELECT id FROM outbox WHERE state = 1 AND published_at < ? LIMIT ?";

/// Binds: moment, reason, event.
pub(super) const BURY: &str = "UPDATE outbox SET state = 2, buried_at = ?, buried_reason = ?
    WHERE event_id = ? AND state <> 2";

/// A batch of what was published, in the order of that, after a place. Binds: moment of the place,
/// moment to end at, moment of the place, identifier of the place, size.
pub(super) const PUBLISHED: &str = "SELECT id, published_at, created_at FROM outbox
    WHERE state = 1 AND published_at >= ? AND published_at <= ? AND (published_at > ? OR id > ?)
    ORDER BY published_at, id LIMIT ?";

pub(super) const LAST_PUBLISHED: &str =
    "SELECT MAX(published_at) AS last FROM outbox WHERE state = 1";

const LAST: &str = "SELECT MAX(id) FROM outbox";
/// Reads through the file's index `outbox_users` from end to end.
const OF_USER: &str = "SELECT id FROM outbox WHERE user_id = ?";

/// Replicas' clocks may differ: an event may be noted as published before it was made.
const SKEW: Duration = Duration::from_secs(600);

pub(super) const BACKLOG: &str = "SELECT
    (SELECT COUNT(*) FROM outbox WHERE state = 0) AS events,
    (SELECT created_at FROM outbox WHERE state = 0 ORDER BY id LIMIT 1) AS oldest";

/// Announcements of users who are gone, in order, after a place. Binds: lower bound, upper bound,
/// moment of the place, identifier of the place, size.
pub(super) const ERASED_BETWEEN: &str = "SELECT id, user_id, created_at FROM outbox
    WHERE kind = 'erased' AND created_at >= ? AND created_at < ? AND (created_at > ? OR id > ?)
    ORDER BY created_at, id LIMIT ?";

/// Leaves an event for the end of the transaction of its cause.
pub(super) fn insert(tx: &mut Tx, event: &WatchEvent) -> Result<(), StoreError> {
    tx.end_with(
        Batch::new()
            .then(
                "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, traceparent)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(event.id.as_uuid())
            .bind(event.user_id.as_uuid())
            .bind(event.change.kind())
            .bind(to_json(event)?)
            .bind(event.at.as_millis())
            .bind(current_trace().map(|trace| trace.to_string())),
    );
    tx.wake_relay();
    Ok(())
}

/// Ends a statement with `id IN (…)`.
fn of_ids(mut statement: QueryBuilder<Any>, ids: &[i64]) -> QueryBuilder<Any> {
    statement.push(" AND id IN (");
    let mut list = statement.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    statement.push(")");
    statement
}

/// Notes events as published; only those that wait: what was buried meanwhile stays buried.
pub(super) fn publish_query(ids: &[i64], now: Timestamp) -> QueryBuilder<Any> {
    let mut statement = QueryBuilder::new(
        "UPDATE outbox SET state = 1, times_published = times_published + 1, published_at = ",
    );
    statement.push_bind(now.as_millis()).push(" WHERE state = 0");
    of_ids(statement, ids)
}

pub(super) fn republish_query(ids: &[i64]) -> QueryBuilder<Any> {
    let wait = "UPDATE outbox SET state = 0, published_at = NULL WHERE state = 1";
    of_ids(QueryBuilder::new(wait), ids)
}

pub(super) fn purge_query(ids: &[i64]) -> QueryBuilder<Any> {
    of_ids(QueryBuilder::new("DELETE FROM outbox WHERE state = 1"), ids)
}

/// Rows about a user, found before a transaction in which they go.
pub(super) struct OfUser {
    ids: Vec<i64>,
    /// All that are not among them come after this one.
    last: i64,
}

/// Finds them by reading through an index of all.
pub(super) async fn of_user(store: &SqlStore, user: UserId) -> Result<OfUser, StoreError> {
    store
        .read_on(|mut tx| async move {
            let last = sqlx::query_scalar::<_, Option<i64>>(LAST).fetch_one(&mut *tx).await.db()?;
            let ids = sqlx::query_scalar(OF_USER).bind(user.to_string());
            let ids = ids.fetch_all(&mut *tx).await.db()?;
            Ok(OfUser { ids, last: last.unwrap_or_default() })
        })
        .await
}

/// Deletes every row about a user.
pub(super) async fn forget(
    tx: &mut Tx,
    user: UserId,
    found: Option<&OfUser>,
) -> Result<(), StoreError> {
    let mut last = 0;
    if let Some(found) = found {
        for batch in found.ids.chunks(BATCH) {
            let mut delete = QueryBuilder::new("DELETE FROM outbox WHERE user_id = ");
            delete.push_bind(user.to_string());
            execute(tx, of_ids(delete, batch)).await?;
        }
        last = found.last;
    }
    sqlx::query("DELETE FROM outbox WHERE user_id = ? AND id > ?")
        .bind(user.to_string())
        .bind(last)
        .execute(&mut **tx)
        .await
        .db()?;
    Ok(())
}

/// Statements of every length would push the useful ones out of the connection's cache, so this
/// one is not kept.
async fn execute(
    conn: &mut AnyConnection,
    mut statement: QueryBuilder<Any>,
) -> Result<u64, StoreError> {
    let done = statement.build().persistent(false).execute(conn).await.db()?;
    Ok(done.rows_affected())
}

pub(super) async fn erased_between(
    store: &SqlStore,
    from: Timestamp,
    to: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<Erased>, StoreError> {
    let (place, id) = after.map_or((i64::MIN, 0), |(at, id)| (at.as_millis(), id));
    let rows = store
        .read_on(|mut tx| async move {
            sqlx::query(ERASED_BETWEEN)
                .bind(from.as_millis().max(place))
                .bind(to.as_millis())
                .bind(place)
                .bind(id)
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await
                .db()
        })
        .await?;
    let erased = |row| {
        Ok(Erased {
            id: get(row, "id")?,
            user: parsed(row, "user_id")?,
            at: time(row, "created_at")?,
        })
    };
    rows.iter().map(erased).collect()
}

impl SqlStore {
    /// Lets one batch wait again; its number, and the place where it ended.
    async fn republish_batch(
        &self,
        since: Timestamp,
        last: i64,
        place: (i64, i64),
    ) -> Result<(u64, Option<(i64, i64)>), StoreError> {
        self.write_on(|mut tx| async move {
            let rows = sqlx::query(PUBLISHED)
                .bind(place.0)
                .bind(last)
                .bind(place.0)
                .bind(place.1)
                .bind(BATCH as i64)
                .fetch_all(&mut *tx)
                .await
                .db()?;
            let Some(end) = rows.last() else { return Ok((0, None)) };
            let end = (get(end, "published_at")?, get(end, "id")?);
            let mut ids = Vec::with_capacity(rows.len());
            for row in &rows {
                if time(row, "created_at")? >= since {
                    ids.push(get(row, "id")?);
                }
            }
            if ids.is_empty() {
                return Ok((0, Some(end)));
            }
            let waiting = execute(&mut tx, republish_query(&ids)).await?;
            tx.wake_relay();
            Ok((waiting, Some(end)))
        })
        .await
    }
}

#[async_trait]
impl Outbox for SqlStore {
    fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.news.relay)
    }

    async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = self
            .read_on(|mut tx| async move {
                sqlx::query(UNPUBLISHED).bind(i64::from(limit)).fetch_all(&mut *tx).await.db()
            })
            .await?;
        rows.iter()
            .map(|row| {
                Ok(OutboxRow {
                    id: get(row, "id")?,
                    event_id: parsed(row, "event_id")?,
                    user_id: parsed(row, "user_id")?,
                    kind: get(row, "kind")?,
                    payload: get(row, "payload")?,
                    at: time(row, "created_at")?,
                    times_published: number(row, "times_published")?,
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
        self.write_on(|mut tx| async move {
            for batch in ids.chunks(BATCH) {
                execute(&mut tx, publish_query(batch, now)).await?;
            }
            Ok(())
        })
        .await
    }

    async fn bury(&self, event: EventId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move {
            sqlx::query(BURY)
                .bind(now.as_millis())
                .bind(reason)
                .bind(event.to_string())
                .execute(&mut *tx)
                .await
                .db()?;
            Ok(())
        })
        .await
    }

    async fn republish(&self, since: Timestamp) -> Result<u64, StoreError> {
        // In batches, so that none takes long or holds many rows, and up to what was published
        // before this began: the relay is publishing again what has been let go.
        let last = self
            .read_on(|mut tx| async move {
                let row = sqlx::query(LAST_PUBLISHED).fetch_one(&mut *tx).await.db()?;
                get::<Option<i64>>(&row, "last")
            })
            .await?;
        let Some(last) = last else { return Ok(0) };
        let mut waiting = 0;
        let mut place = (since.before(SKEW).as_millis(), 0);
        loop {
            let (more, end) = self.republish_batch(since, last, place).await?;
            waiting += more;
            place = match end {
                Some(end) => end,
                None => return Ok(waiting),
            };
        }
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let row = self
            .read_on(|mut tx| async move { sqlx::query(BACKLOG).fetch_one(&mut *tx).await.db() })
            .await?;
        Ok(Backlog { events: number(&row, "events")?, oldest: optional_time(&row, "oldest")? })
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let ids: Vec<i64> = self
            .read_on(|mut tx| async move {
                sqlx::query_scalar(PURGEABLE)
                    .bind(before.as_millis())
                    .bind(BATCH as i64)
                    .fetch_all(&mut *tx)
                    .await
                    .db()
            })
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = ids.as_slice();
        self.write_on(|mut tx| async move { execute(&mut tx, purge_query(ids)).await }).await
    }
}
