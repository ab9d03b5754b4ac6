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
    batch::{Answers, Batch},
    dialect::{Dialect, for_update},
    errors::{Db, corrupt},
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

/// Locks a row until the transaction ends; makes it where there is none.
fn lock(batch: Batch, dialect: Dialect, name: &str, now: Timestamp) -> Batch {
    batch
        .then(dialect.first_throttle())
        .bind(name)
        .bind(now.as_millis())
        .then(lock_sql(dialect))
        .bind(name)
}

/// The row that [`lock`] has locked.
fn locked(answers: &mut Answers) -> Result<AnyRow, StoreError> {
    answers.rows();
    answers.rows().pop().ok_or_else(|| corrupt("a throttle that was made is not there"))
}

fn failures_update(name: &str, failures: LoginFailures, expires_at: Timestamp) -> Batch {
    Batch::new()
        .then(UPDATE_FAILURES)
        .bind(i64::from(failures.count))
        .bind(failures.blocked_until.as_millis())
        .bind(expires_at.as_millis())
        .bind(name)
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
        let opening = order.iter().fold(Batch::new(), |batch, index| {
            lock(batch, self.dialect, &meters[*index].name, now)
        });
        self.write_patiently_after(&opening, |mut tx, mut answers| async move {
            let mut arrivals = vec![0; meters.len()];
            for index in order {
                arrivals[*index] = get(&locked(&mut answers)?, "arrival")?;
            }
            let admitted: Vec<Result<i64, Duration>> =
                meters.iter().zip(&arrivals).map(|(it, last)| it.limit.admit(*last, now)).collect();
            let refused_for = admitted.iter().filter_map(|it| it.err()).max();
            if refused_for.is_none() {
                arrivals = admitted.into_iter().flatten().collect();
                for (meter, arrival) in meters.iter().zip(&arrivals) {
                    tx.end_with(
                        Batch::new()
                            .then(UPDATE_ARRIVAL)
                            .bind(*arrival)
                            .bind(arrival / 1_000 + 1)
                            .bind(meter.name.as_str()),
                    );
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
        let opening = lock(Batch::new(), self.dialect, name, now);
        self.write_patiently_after(&opening, |mut tx, mut answers| async move {
            let row = locked(&mut answers)?;
            let before = if time(&row, "expires_at")? > now {
                failures_of(&row)?
            } else {
                LoginFailures::NONE
            };
            match delays.attempt(before, now) {
                Ok(failures) => {
                    let expires_at = now.after(LoginFailures::REMEMBERED);
                    tx.end_with(failures_update(name, failures, expires_at));
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
            tx.end_with(Batch::new().then(FORGET).bind(name));
            Ok(())
        })
        .await
    }

    async fn withdraw(&self, name: &str, delays: &LoginDelays) -> Result<(), StoreError> {
        let opening = Batch::new().then(lock_sql(self.dialect)).bind(name);
        self.write_on_after(&opening, |mut tx, mut answers| async move {
            let Some(row) = answers.rows().pop() else { return Ok(()) };
            let failures = delays.without_one(failures_of(&row)?);
            tx.end_with(failures_update(name, failures, time(&row, "expires_at")?));
            Ok(())
        })
        .await
    }
}
