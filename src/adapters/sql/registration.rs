//! Making an account whose address has to be verified.

use watchme_actors::{
    domain::User,
    ports::{AccountError, Created, IdempotencyKey, NewAccount},
};

use super::{
    accounts::{by_email, insert, made},
    idempotency::{self, Claim},
    mail_queue::{MailKind, enqueue},
    work::Tx,
};

/// Makes the account and queues its verification. Where the address has an account, the mail says
/// so instead. If that was never verified, somebody else may have made it: then the owner of the
/// address is to set a password of their own, which verifies the address as well.
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
        Created::Before(user) if user.email_verified => (user, MailKind::AlreadyRegistered),
        Created::Before(user) => (user, MailKind::Recovery),
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
