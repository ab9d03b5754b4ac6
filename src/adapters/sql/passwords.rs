//! Hashes of passwords, and changing them.

use sqlx::AnyConnection;
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{AccountError, PasswordChange, StoreError},
};

use super::{
    accounts::{lock_user, note},
    dialect::Dialect,
    errors::Db,
    mail_queue::{self, MailKind},
    sessions,
    work::Tx,
};

/// Whether a user's password still has this hash.
pub(super) async fn is_current(
    conn: &mut AnyConnection,
    user: UserId,
    hash: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT id FROM users WHERE id = ? AND password_hash = ?")
        .bind(user.to_string())
        .bind(hash)
        .fetch_optional(conn)
        .await
        .db()?;
    Ok(row.is_some())
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
    sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
        .bind(change.new_hash.as_str())
        .bind(user.id.to_string())
        .execute(&mut **tx)
        .await
        .db()?;
    sessions::end_all(tx, user.id, Some(change.keep)).await?;
    note(tx, "password.changed", user.id, (None, None), now).await?;
    mail_queue::enqueue(tx, MailKind::PasswordChanged, &user.email, Some(user.id), now).await?;
    Ok(())
}
