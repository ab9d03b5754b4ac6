//! Tokens that went out by mail: stored as a digest, used once.

use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use watchme_actors::{
    domain::{Email, MailToken, MailedToken, Timestamp, User, UserId, UserStatus},
    ports::{MailTokenError, MailTokens, StoreError},
};

use super::{
    SqlStore,
    accounts::{self, lock_user, note},
    errors::{Db, is_taken, store_error},
    mail_queue::{MailKind, enqueue},
    passwords,
    rows::parsed,
    work::Tx,
};

/// Binds: digest, purpose, moment.
pub(super) const FIND: &str = "SELECT user_id, email FROM mail_tokens
    WHERE token_hash = ? AND purpose = ? AND expires_at > ?";

/// Binds: identifier.
pub(super) const FORGET_USER: &str = "DELETE FROM mail_tokens WHERE user_id = ?";

/// What a token is for, and for how long it counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Recovery(Duration),
    Verification(Duration),
}

const RECOVERY: &str = "recovery";
const VERIFICATION: &str = "verification";

fn digest(token: &MailToken) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

/// Makes a token that goes to an address of an account.
pub(super) async fn issue(
    conn: &mut AnyConnection,
    purpose: Purpose,
    account: &User,
    address: &Email,
    now: Timestamp,
) -> Result<MailedToken, StoreError> {
    let token = MailToken::generate();
    let (word, counts_for) = match purpose {
        Purpose::Recovery(counts_for) => (RECOVERY, counts_for),
        Purpose::Verification(counts_for) => (VERIFICATION, counts_for),
    };
    sqlx::query(
        "INSERT INTO mail_tokens (token_hash, purpose, user_id, email, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(digest(&token))
    .bind(word)
    .bind(account.id.to_string())
    .bind(address.as_str())
    .bind(now.as_millis())
    .bind(now.after(counts_for).as_millis())
    .execute(conn)
    .await
    .db()?;
    Ok(MailedToken { token, counts_for })
}

/// The account that a token belongs to, and the address that it went to.
async fn holder(
    conn: &mut AnyConnection,
    token: &MailToken,
    purpose: &str,
    now: Timestamp,
) -> Result<Option<(UserId, Email)>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(digest(token))
        .bind(purpose)
        .bind(now.as_millis())
        .fetch_optional(conn)
        .await
        .db()?;
    row.map(|row| Ok((parsed(&row, "user_id")?, parsed(&row, "email")?))).transpose()
}

/// The account that a token belongs to, locked, with the address that the token went to; the
/// token is used up.
async fn redeem(
    store: &SqlStore,
    tx: &mut Tx,
    token: &MailToken,
    purpose: &str,
    now: Timestamp,
) -> Result<(User, Email), MailTokenError> {
    let found = holder(tx, token, purpose, now).await?;
    let (id, address) = found.ok_or(MailTokenError::Invalid)?;
    let user = lock_user(tx, store.dialect, id).await?.filter(may);
    let user = user.ok_or(MailTokenError::Invalid)?;
    // Of several who come at once, the one whose deletion finds it has used it.
    let used = sqlx::query("DELETE FROM mail_tokens WHERE token_hash = ?")
        .bind(digest(token))
        .execute(&mut **tx)
        .await
        .db()?;
    if used.rows_affected() == 1 { Ok((user, address)) } else { Err(MailTokenError::Invalid) }
}

fn may(user: &User) -> bool {
    user.status == UserStatus::Active
}

/// Takes back every token that was mailed for an account.
pub(super) async fn forget(conn: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    sqlx::query(FORGET_USER).bind(user.to_string()).execute(conn).await.db()?;
    Ok(())
}

#[async_trait]
impl MailTokens for SqlStore {
    async fn recovering(
        &self,
        token: &MailToken,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.snapshot(|mut tx| async move {
            let Some((id, address)) = holder(&mut tx, token, RECOVERY, now).await? else {
                return Ok(None);
            };
            let user = accounts::by_id(&mut tx, id).await?;
            Ok(user.filter(|user| may(user) && user.email == address))
        })
        .await
    }

    async fn reset_password(
        &self,
        token: &MailToken,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<UserId, MailTokenError> {
        self.write(|mut tx| async move {
            let (user, address) = redeem(self, &mut tx, token, RECOVERY, now).await?;
            // Who reads the mail of an address that the account had before has no say in it.
            if user.email != address {
                return Err(MailTokenError::Invalid);
            }
            passwords::replace(&mut tx, &user, password_hash, None, now).await?;
            sqlx::query("UPDATE users SET email_verified = 1 WHERE id = ?")
                .bind(user.id.to_string())
                .execute(&mut *tx)
                .await
                .db()?;
            note(&mut tx, "password.reset", user.id, (None, None), now).await?;
            Ok(user.id)
        })
        .await
    }

    async fn verify_email(
        &self,
        token: &MailToken,
        now: Timestamp,
    ) -> Result<UserId, MailTokenError> {
        self.write(|mut tx| async move {
            let (user, address) = redeem(self, &mut tx, token, VERIFICATION, now).await?;
            if !user.waits_for(&address) {
                return Err(MailTokenError::Invalid);
            }
            let pending = user.pending_email.as_ref().filter(|pending| **pending != address);
            sqlx::query(
                "UPDATE users SET email = ?, email_verified = 1, pending_email = ?, updated_at = ?
                 WHERE id = ?",
            )
            .bind(address.as_str())
            .bind(pending.map(Email::as_str))
            .bind(now.as_millis())
            .bind(user.id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(|error| {
                if is_taken(&error) {
                    MailTokenError::EmailTaken
                } else {
                    store_error(&error).into()
                }
            })?;
            if user.email == address {
                note(&mut tx, "account.email_verified", user.id, (None, None), now).await?;
                return Ok(user.id);
            }
            let before = json!({ "email": user.email });
            let after = json!({ "email": address });
            let states = (Some(before), Some(after));
            note(&mut tx, "account.email_changed", user.id, states, now).await?;
            // Those that went to the address before.
            forget(&mut tx, user.id).await?;
            if user.email_verified {
                let kind = MailKind::EmailChanged;
                enqueue(&mut tx, kind, &user.email, Some(user.id), now).await?;
            }
            Ok(user.id)
        })
        .await
    }
}
