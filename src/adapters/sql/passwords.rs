//! Hashes of passwords, and changing them.

use sqlx::AnyConnection;
use watchme_actors::{
    domain::{SessionId, Timestamp, User, UserId},
    ports::{AccountError, PasswordChange, StoreError},
};

use super::{
    accounts::{lock_user, note},
    dialect::Dialect,
    errors::Db,
    mail_queue::{self, MailKind},
    mail_tokens, sessions,
    work::Tx,
};

/// Gives a row where a user's password still has this hash. Binds: user, hash.
pub(super) const IS_CURRENT: &str = "SELECT id FROM users WHERE id = ? AND password_hash = ?";

/// Whether a user's password still has this hash.
async fn is_current(
    conn: &mut AnyConnection,
    user: UserId,
    hash: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query(IS_CURRENT)
        .bind(user.to_string())
        .bind(hash)
        .fetch_optional(conn)
        .await
        .db()?;
    Ok(row.is_some())
}

/// Gives a user whose row is locked another password, and says so by mail. Whoever knew the one
/// before keeps no way in: no session but one that is kept, no token, no address that waits.
pub(super) async fn replace(
    tx: &mut Tx,
    user: &User,
    hash: &str,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE users SET password_hash = ?, pending_email = NULL, updated_at = ? WHERE id = ?",
    )
    .bind(hash)
    .bind(now.as_millis())
    .bind(user.id.to_string())
    .execute(&mut **tx)
    .await
    .db()?;
    sessions::end_all(tx, user.id, keep).await?;
    mail_tokens::forget(tx, user.id).await?;
    mail_queue::enqueue(tx, MailKind::PasswordChanged, &user.email, Some(user.id), now).await
}

/// Changes a user's password and ends the user's other sessions.
pub(super) async fn change(
    tx: &mut Tx,
    dialect: Dialect,
    user: UserId,
    change: &PasswordChange,
    now: Timestamp,
) -> Result<(), AccountError> {
    let user = lock_user(tx, dialect, user).await?.ok_or(AccountError::NotFound)?;
    if !is_current(tx, user.id, &change.checked_hash).await? {
        return Err(AccountError::PasswordChanged);
    }
    replace(tx, &user, &change.new_hash, Some(change.keep), now).await?;
    note(tx, "password.changed", user.id, (None, None), now).await?;
    Ok(())
}
