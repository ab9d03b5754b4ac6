//! Making an account whose address has to be verified.

use serde_json::json;
use watchme_actors::{
    domain::{User, UserStatus},
    ports::{AccountError, Created, IdempotencyKey, NO_PASSWORD, NewAccount, StoreError},
};

use super::{
    accounts::{by_email, insert, made, note},
    errors::Db,
    idempotency::{self, Claim},
    mail_queue::{self, MailKind, enqueue},
    mail_tokens, sessions,
    work::Tx,
};

/// Makes the account and queues its verification. Where the address has an account, the mail says
/// so instead. If that was never verified, anybody may have made it: then it is nobody's, until the
/// owner of the address sets a password of their own, which verifies the address as well.
pub(super) async fn register(
    mut tx: Tx,
    account: &NewAccount,
    key: Option<&IdempotencyKey>,
) -> Result<Created<()>, AccountError> {
    let NewAccount { email, now, .. } = account;
    if let Claim::Repeated(()) = idempotency::claim(&mut tx, key, *now).await? {
        return Ok(Created::Before(()));
    }
    let (user, kind) = match made_or_known(&mut tx, account).await? {
        Created::Now(user) => (user, MailKind::Verification),
        Created::Before(user) => {
            let disputed = dispute(&mut tx, &user, account).await?;
            let kind = if disputed { MailKind::Recovery } else { MailKind::AlreadyRegistered };
            (user, kind)
        }
    };
    enqueue(&mut tx, kind, email, Some(user.id), *now).await?;
    idempotency::answer(&mut tx, key, Some(user.id), &()).await?;
    Ok(Created::Now(()))
}

async fn made_or_known(tx: &mut Tx, account: &NewAccount) -> Result<Created<User>, AccountError> {
    if let Some(known) = by_email(tx, &account.email).await? {
        return Ok(Created::Before(known));
    }
    match insert(tx, account).await {
        Ok(user) => {
            made(tx, &user).await?;
            Ok(Created::Now(user))
        }
        // Somebody was faster.
        Err(AccountError::EmailTaken) => {
            let known = by_email(tx, &account.email).await?;
            known.map(Created::Before).ok_or(AccountError::EmailTaken)
        }
        Err(error) => Err(error),
    }
}

/// Takes an account whose address was never verified from whoever made it; whether it was such a one.
/// A click on a mail of theirs must not let them in, nor one on a later mail the last who came: the
/// owner of the address may have asked for any of them.
async fn dispute(tx: &mut Tx, user: &User, claim: &NewAccount) -> Result<bool, StoreError> {
    if user.email_verified || user.status != UserStatus::Active {
        return Ok(false);
    }
    // The row is locked from here on; it may have been verified since it was read.
    let taken = sqlx::query(
        "UPDATE users SET password_hash = ?, name = ?, name_key = ?, pending_email = NULL,
            updated_at = ? WHERE id = ? AND email_verified = 0",
    )
    .bind(NO_PASSWORD)
    .bind(claim.name.as_str())
    .bind(claim.name.as_str().to_lowercase())
    .bind(claim.now.as_millis())
    .bind(user.id.to_string())
    .execute(&mut **tx)
    .await
    .db()?;
    if taken.rows_affected() == 0 {
        return Ok(false);
    }
    sessions::end_all(tx, user.id, None).await?;
    mail_tokens::forget(tx, user.id).await?;
    mail_queue::forget_about(tx, user.id).await?;
    let states = (Some(json!({ "name": user.name })), Some(json!({ "name": claim.name })));
    note(tx, "account.registered_again", user.id, states, claim.now).await?;
    Ok(true)
}
