//! The port of throttles. A row is locked before it is read, so that no two requests of any replica
//! see the same count.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AnyConnection, any::AnyRow};
use watchme_actors::{
    domain::{LoginDelays, LoginFailures, Timestamp},
    ports::{Charge, Meter, StoreError, Throttles},
};

use super::{
    SqlStore,
    dialect::{Dialect, for_update},
    errors::Db,
    rows::{get, number, time},
};

const UPDATE_ARRIVAL: &str = "UPDATE throttles SET arrival = ?, expires_at = ? WHERE name = ?";

const UPDATE_FAILURES: &str =
    "UPDATE throttles SET failures = ?, blocked_until = ?, expires_at = ? WHERE name = ?";

/// Binds: name.
pub(super) fn lock_sql(dialect: Dialect) -> &'static str {
    for_update!(
        dialect,
        "SELECT arrival, failures, blocked_until, expires_at FROM throttles WHERE name = ?"
    )
}

/// Binds: name, moment.
pub(super) const NOT_YET: &str = "SELECT name FROM throttles WHERE name = ? AND expires_at > ?";

/// Binds: name.
pub(super) const FORGET: &str = "DELETE FROM throttles WHERE name = ?";

/// Whether something may be done that is done once in a period; from now on it counts as done. The
/// caller holds a lock that everybody takes who asks about this name.
pub(super) async fn once(
    conn: &mut AnyConnection,
    name: &str,
    period: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(NOT_YET).bind(name).bind(now.as_millis());
    if done.fetch_optional(&mut *conn).await.db()?.is_some() {
        return Ok(false);
    }
    // One that has expired may be there until it is swept.
    forget(conn, name).await?;
    sqlx::query("INSERT INTO throttles (name, expires_at) VALUES (?, ?)")
        .bind(name)
        .bind(now.after(period).as_millis())
        .execute(conn)
        .await
        .db()?;
    Ok(true)
}

/// Forgets what was counted under a name.
pub(super) async fn forget(conn: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    sqlx::query(FORGET).bind(name).execute(conn).await.db()?;
    Ok(())
}

impl SqlStore {
    async fn find_throttle(
        &self,
        conn: &mut AnyConnection,
        name: &str,
    ) -> Result<Option<AnyRow>, StoreError> {
        sqlx::query(lock_sql(self.dialect)).bind(name).fetch_optional(conn).await.db()
    }

    /// Locks a row until the transaction ends; makes it where there is none.
    async fn lock_throttle(
        &self,
        conn: &mut AnyConnection,
        name: &str,
        now: Timestamp,
    ) -> Result<AnyRow, StoreError> {
        if let Some(row) = self.find_throttle(conn, name).await? {
            return Ok(row);
        }
        sqlx::query(self.dialect.first_throttle())
            .bind(name)
            .bind(now.as_millis())
            .execute(&mut *conn)
            .await
            .db()?;
        sqlx::query(lock_sql(self.dialect)).bind(name).fetch_one(conn).await.db()
    }
}

async fn store_failures(
    conn: &mut AnyConnection,
    name: &str,
    failures: LoginFailures,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(UPDATE_FAILURES)
        .bind(i64::from(failures.count))
        .bind(failures.blocked_until.as_millis())
        .bind(expires_at.as_millis())
        .bind(name)
        .execute(conn)
        .await
        .db()?;
    Ok(())
}

fn failures_of(row: &AnyRow) -> Result<LoginFailures, StoreError> {
    Ok(LoginFailures {
        count: number(row, "failures")?,
        blocked_until: time(row, "blocked_until")?,
    })
}

#[async_trait]
impl Throttles for SqlStore {
    async fn charge(&self, meters: &[Meter], now: Timestamp) -> Result<Charge, StoreError> {
        // Whoever locks several rows locks them in this order: no two wait for each other.
        let mut order: Vec<usize> = (0..meters.len()).collect();
        order.sort_unstable_by_key(|index| &meters[*index].name);
        let order = order.as_slice();
        self.write_patiently(|mut tx| async move {
            let mut arrivals = vec![0; meters.len()];
            for index in order {
                let row = self.lock_throttle(&mut tx, &meters[*index].name, now).await?;
                arrivals[*index] = get(&row, "arrival")?;
            }
            let admitted: Vec<Result<i64, Duration>> =
                meters.iter().zip(&arrivals).map(|(it, last)| it.limit.admit(*last, now)).collect();
            let refused_for = admitted.iter().filter_map(|it| it.err()).max();
            if refused_for.is_none() {
                arrivals = admitted.into_iter().flatten().collect();
                for (meter, arrival) in meters.iter().zip(&arrivals) {
                    sqlx::query(UPDATE_ARRIVAL)
                        .bind(*arrival)
                        .bind(arrival / 1_000 + 1)
                        .bind(meter.name.as_str())
                        .execute(&mut *tx)
                        .await
                        .db()?;
                }
            }
            let quotas =
                meters.iter().zip(arrivals).map(|(it, last)| it.limit.quota(last, now)).collect();
            Ok(Charge { refused_for, quotas })
        })
        .await
    }

    async fn attempt(
        &self,
        name: &str,
        delays: &LoginDelays,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.write_patiently(|mut tx| async move {
            let row = self.lock_throttle(&mut tx, name, now).await?;
            let before = if time(&row, "expires_at")? > now {
                failures_of(&row)?
            } else {
                LoginFailures::NONE
            };
            match delays.attempt(before, now) {
                Ok(failures) => {
                    let expires_at = now.after(LoginFailures::REMEMBERED);
                    store_failures(&mut tx, name, failures, expires_at).await?;
                    Ok(None)
                }
                Err(wait) => Ok(Some(wait)),
            }
        })
        .await
    }

    async fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move {
            // The row goes: one that stayed would make the next login quicker than that of an
            // address which nobody has.
            forget(&mut tx, name).await
        })
        .await
    }

    async fn withdraw(&self, name: &str, delays: &LoginDelays) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move {
            let Some(row) = self.find_throttle(&mut tx, name).await? else { return Ok(()) };
            let failures = delays.without_one(failures_of(&row)?);
            store_failures(&mut tx, name, failures, time(&row, "expires_at")?).await
        })
        .await
    }
}
