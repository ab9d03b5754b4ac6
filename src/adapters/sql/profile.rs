//! Changing a profile.

use serde_json::{Value, json};
use watchme_actors::{
    domain::{Email, Timestamp, User, UserId},
    ports::{AccountError, ProfileChange},
};

use super::{
    accounts::{email_taken, lock_user, note},
    dialect::Dialect,
    mail_queue::{MailKind, enqueue},
    work::Tx,
};

fn state(user: &User) -> Value {
    json!({ "email": user.email, "pendingEmail": user.pending_email, "name": user.name })
}

/// Changes name and address, or keeps the address as the one that is wanted until it is verified.
pub(super) async fn change(
    mut tx: Tx,
    dialect: Dialect,
    id: UserId,
    change: &ProfileChange,
    now: Timestamp,
) -> Result<User, AccountError> {
    let before = lock_user(&mut tx, dialect, id).await?.ok_or(AccountError::NotFound)?;
    let other = Some(&change.email).filter(|email| **email != before.email);
    let (email, pending_email) = match other {
        Some(other) if change.verified_first => (&before.email, Some(other)),
        _ => (&change.email, None),
    };
    let user = User {
        email: email.clone(),
        pending_email: pending_email.cloned(),
        name: change.name.clone(),
        updated_at: now,
        ..before.clone()
    };
    if state(&user) == state(&before) {
        return Ok(before);
    }
    sqlx::query(
        "UPDATE users SET name = ?, name_key = ?, email = ?, pending_email = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(user.name.as_str())
    .bind(user.name.as_str().to_lowercase())
    .bind(user.email.as_str())
    .bind(user.pending_email.as_ref().map(Email::as_str))
    .bind(now.as_millis())
    .bind(id.to_string())
    .execute(&mut *tx)
    .await
    .map_err(email_taken)?;
    let states = (Some(state(&before)), Some(state(&user)));
    note(&mut tx, "account.profile_changed", id, states, now).await?;
    if let Some(wanted) =
        user.pending_email.as_ref().filter(|_| user.pending_email != before.pending_email)
    {
        enqueue(&mut tx, MailKind::Verification, wanted, Some(id), now).await?;
        if user.email_verified {
            enqueue(&mut tx, MailKind::EmailWanted, &user.email, Some(id), now).await?;
        }
    }
    if user.email != before.email {
        enqueue(&mut tx, MailKind::EmailChanged, &before.email, Some(id), now).await?;
    }
    Ok(user)
}
