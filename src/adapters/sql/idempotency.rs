//! Requests that carry a client's key: the claim comes first and the answer last, both in the
//! transaction of the effect. So a duplicate that comes at the same time waits at the claim, and
//! a request that is refused leaves nothing behind.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::AnyConnection;
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{
        AccountError, IdempotencyKey, PackageError, StoreError, SubscriptionError, WatchError,
    },
};

use super::{
    errors::{Db, is_taken, store_error},
    rows::{get, json, to_json},
};

/// How long a key is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Binds: scope, key, moment.
pub(super) const EXPIRE: &str =
    "DELETE FROM idempotency_keys WHERE scope = ? AND client_key = ? AND created_at <= ?";

/// Binds: scope, key.
pub(super) const EARLIER: &str =
    "SELECT fingerprint, answer FROM idempotency_keys WHERE scope = ? AND client_key = ?";

/// A range instead of a pattern, so that the primary key answers it. Binds: both ends.
pub(super) const FORGET_OWN: &str = "DELETE FROM idempotency_keys WHERE scope >= ? AND scope < ?";

pub(super) const FORGET_ABOUT: &str = "DELETE FROM idempotency_keys WHERE owner = ?";

/// What a claim has come to.
pub(super) enum Claim<T> {
    /// The request is to be carried out.
    First,
    /// It was carried out before, with this answer.
    Repeated(T),
}

/// Why a claim was refused.
pub(super) enum ClaimError {
    KeyReused,
    Store(StoreError),
}

impl From<StoreError> for ClaimError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

macro_rules! refusals {
    ($($error:ty),*) => {$(
        impl From<ClaimError> for $error {
            fn from(error: ClaimError) -> Self {
                match error {
                    ClaimError::KeyReused => Self::KeyReused,
                    ClaimError::Store(error) => Self::Store(error),
                }
            }
        }
    )*};
}
refusals!(AccountError, PackageError, SubscriptionError, WatchError);

/// Keys that were claimed at this moment or before have expired.
pub(super) fn expired_at(now: Timestamp) -> Timestamp {
    now.before(KEPT_FOR)
}

/// Claims the key for this request; a request without a key is always the first.
pub(super) async fn claim<T: DeserializeOwned>(
    conn: &mut AnyConnection,
    key: Option<&IdempotencyKey>,
    now: Timestamp,
) -> Result<Claim<T>, ClaimError> {
    let Some(key) = key else { return Ok(Claim::First) };
    sqlx::query(EXPIRE)
        .bind(key.scope.as_str())
        .bind(key.key.as_str())
        .bind(expired_at(now).as_millis())
        .execute(&mut *conn)
        .await
        .db()?;
    let claimed = sqlx::query(
        "INSERT INTO idempotency_keys (scope, client_key, fingerprint, created_at)
         VALUES (?, ?, ?, ?)",
    )
    .bind(key.scope.as_str())
    .bind(key.key.as_str())
    .bind(key.fingerprint.as_str())
    .bind(now.as_millis())
    .execute(&mut *conn)
    .await;
    match claimed {
        Ok(_) => Ok(Claim::First),
        Err(error) if is_taken(&error) => earlier(conn, key).await.map(Claim::Repeated),
        Err(error) => Err(ClaimError::Store(store_error(&error))),
    }
}

/// What a request with this key was answered before, without claiming it.
pub(super) async fn answered<T: DeserializeOwned>(
    conn: &mut AnyConnection,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<T>, ClaimError> {
    let kept = sqlx::query(
        "SELECT 1 AS one FROM idempotency_keys
         WHERE scope = ? AND client_key = ? AND created_at > ?",
    )
    .bind(key.scope.as_str())
    .bind(key.key.as_str())
    .bind(expired_at(now).as_millis())
    .fetch_optional(&mut *conn)
    .await
    .db()?;
    match kept {
        Some(_) => earlier(conn, key).await.map(Some),
        None => Ok(None),
    }
}

async fn earlier<T: DeserializeOwned>(
    conn: &mut AnyConnection,
    key: &IdempotencyKey,
) -> Result<T, ClaimError> {
    let row = sqlx::query(EARLIER)
        .bind(key.scope.as_str())
        .bind(key.key.as_str())
        .fetch_one(conn)
        .await
        .db()?;
    let fingerprint = get::<&str>(&row, "fingerprint")?;
    if fingerprint != key.fingerprint && Some(fingerprint) != key.previous_fingerprint.as_deref() {
        return Err(ClaimError::KeyReused);
    }
    Ok(json(&row, "answer")?)
}

/// Stores the answer to a request that has been carried out. `owner` is the user whom the answer
/// is about: it is deleted with the account.
pub(super) async fn answer<T: Serialize + Sync>(
    conn: &mut AnyConnection,
    key: Option<&IdempotencyKey>,
    owner: Option<UserId>,
    value: &T,
) -> Result<(), StoreError> {
    let Some(key) = key else { return Ok(()) };
    sqlx::query(
        "UPDATE idempotency_keys SET answer = ?, owner = ? WHERE scope = ? AND client_key = ?",
    )
    .bind(to_json(value)?)
    .bind(owner.map(|owner| owner.to_string()))
    .bind(key.scope.as_str())
    .bind(key.key.as_str())
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

/// Deletes every key of a user's own requests and every answer about the user.
pub(super) async fn forget(conn: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    // `!` follows the space.
    sqlx::query(FORGET_OWN)
        .bind(format!("{user} "))
        .bind(format!("{user}!"))
        .execute(&mut *conn)
        .await
        .db()?;
    sqlx::query(FORGET_ABOUT).bind(user.to_string()).execute(conn).await.db()?;
    Ok(())
}
