//! Reading the numbers that users' marks have come to.

use sqlx::{Any, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{StoreError, UserSeq},
};

use crate::adapters::sql::{
    SqlStore,
    errors::Db,
    rows::{number, parsed, time},
};

/// Users that one statement asks for.
const BATCH: usize = 512;

/// Both bounds of the index, and the place to go on from. Binds: lower bound, upper bound, moment
/// of the place, user of the place, limit.
pub(in crate::adapters::sql) const CHANGED_BETWEEN: &str =
    "SELECT id, watch_seq, watch_changed_at AS changed_at FROM users
     WHERE watch_changed_at >= ? AND watch_changed_at < ? AND (watch_changed_at > ? OR id > ?)
     ORDER BY watch_changed_at, id LIMIT ?";

/// The number 0 was given with the account. Binds: user of the place, limit.
pub(in crate::adapters::sql) const AFTER: &str =
    "SELECT id, watch_seq, COALESCE(watch_changed_at, created_at) AS changed_at
     FROM users WHERE id > ? ORDER BY id LIMIT ?";

fn seq_from(row: &AnyRow) -> Result<UserSeq, StoreError> {
    Ok(UserSeq {
        user: parsed(row, "id")?,
        seq: number(row, "watch_seq")?,
        changed_at: time(row, "changed_at")?,
    })
}

/// The statement that asks for the numbers of users. The last one is asked for again and again, so
/// that there are few lengths of the list, and every connection keeps those statements prepared.
pub(in crate::adapters::sql) fn of_query(users: &[UserId]) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new(
        "SELECT id, watch_seq, COALESCE(watch_changed_at, created_at) AS changed_at
         FROM users WHERE id IN (",
    );
    let mut list = query.separated(", ");
    let asked = users.iter().chain(users.last().into_iter().cycle());
    for user in asked.take(users.len().next_power_of_two()) {
        list.push_bind(user.to_string());
    }
    query.push(")");
    query
}

pub(super) async fn of(store: &SqlStore, users: &[UserId]) -> Result<Vec<UserSeq>, StoreError> {
    let mut found = Vec::with_capacity(users.len());
    for batch in users.chunks(BATCH) {
        let rows = store
            .read_on(|mut tx| async move { of_query(batch).build().fetch_all(&mut *tx).await.db() })
            .await?;
        for row in &rows {
            found.push(seq_from(row)?);
        }
    }
    Ok(found)
}

pub(super) async fn after(
    store: &SqlStore,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<UserSeq>, StoreError> {
    let place = after.map(|user| user.to_string()).unwrap_or_default();
    let place = place.as_str();
    let rows = store
        .read_on(|mut tx| async move {
            let query = sqlx::query(AFTER).bind(place).bind(i64::from(limit));
            query.fetch_all(&mut *tx).await.db()
        })
        .await?;
    rows.iter().map(seq_from).collect()
}

pub(super) async fn changed_between(
    store: &SqlStore,
    from: Timestamp,
    to: Timestamp,
    after: Option<(Timestamp, UserId)>,
    limit: u32,
) -> Result<Vec<UserSeq>, StoreError> {
    let (place, user) = match after {
        Some((at, user)) => (at.as_millis(), user.to_string()),
        None => (i64::MIN, String::new()),
    };
    let user = user.as_str();
    let rows = store
        .read_on(|mut tx| async move {
            sqlx::query(CHANGED_BETWEEN)
                .bind(from.as_millis().max(place))
                .bind(to.as_millis())
                .bind(place)
                .bind(user)
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await
                .db()
        })
        .await?;
    rows.iter().map(seq_from).collect()
}
