//! Mails that wait to be written and sent.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AnyConnection, any::AnyRow};
use tokio::sync::Notify;
use watchme_actors::{
    domain::{Email, Invalid, Letter, Mail, Timestamp, User, UserId, UserStatus},
    ports::{MailBacklog, MailQueue, QueuedMail, StoreError, TokenLifetimes},
};

use super::{
    SqlStore, accounts,
    errors::Db,
    mail_tokens::{self, Purpose},
    rows::{get, number, optional, optional_time, parsed, time},
    work::Tx,
};

/// What a mail is about. Its text is written when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailKind {
    /// A token to set a new password with, if there is an account with the address.
    Recovery,
    /// A token that verifies the address.
    Verification,
    /// Somebody tried to make an account with an address that has one.
    AlreadyRegistered,
    /// The password has been changed.
    PasswordChanged,
    /// The user wants another address; goes to the one that the account has.
    EmailWanted,
    /// The account has another address now; goes to the one before.
    EmailChanged,
    /// A refresh token came twice: its session was ended.
    SessionRevoked,
}

impl MailKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Verification => "verification",
            Self::AlreadyRegistered => "already_registered",
            Self::PasswordChanged => "password_changed",
            Self::EmailWanted => "email_wanted",
            Self::EmailChanged => "email_changed",
            Self::SessionRevoked => "session_revoked",
        }
    }
}

impl std::str::FromStr for MailKind {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        [
            Self::Recovery,
            Self::Verification,
            Self::AlreadyRegistered,
            Self::PasswordChanged,
            Self::EmailWanted,
            Self::EmailChanged,
            Self::SessionRevoked,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| Invalid::new("unknown_word", "must be a kind of mail"))
    }
}

/// Binds: moment, limit.
pub(super) const DUE: &str = "SELECT id, created_at, attempts FROM mail_queue
    WHERE next_at <= ? ORDER BY next_at, id LIMIT ?";

/// Binds: address.
pub(super) const FORGET_ADDRESS: &str = "DELETE FROM mail_queue WHERE address = ?";

/// Binds: identifier.
pub(super) const FORGET_USER: &str = "DELETE FROM mail_queue WHERE user_id = ?";

/// Queues a mail in the transaction of what it is about.
pub(super) async fn enqueue(
    tx: &mut Tx,
    kind: MailKind,
    address: &Email,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO mail_queue (kind, address, user_id, created_at, next_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(kind.as_str())
    .bind(address.as_str())
    .bind(user.map(|user| user.to_string()))
    .bind(now.as_millis())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await
    .db()?;
    tx.wake_mailer();
    Ok(())
}

/// Deletes what waits for or about a user who is being erased. An address that the user wanted may be
/// somebody else's, and so may be what waits for it.
pub(super) async fn forget(conn: &mut AnyConnection, user: &User) -> Result<(), StoreError> {
    sqlx::query(FORGET_ADDRESS).bind(user.email.as_str()).execute(&mut *conn).await.db()?;
    forget_about(conn, user.id).await
}

/// Deletes what waits about a user.
pub(super) async fn forget_about(conn: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    sqlx::query(FORGET_USER).bind(user.to_string()).execute(conn).await.db()?;
    Ok(())
}

async fn remove(conn: &mut AnyConnection, id: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM mail_queue WHERE id = ?").bind(id).execute(conn).await.db()?;
    Ok(())
}

/// A row of the queue.
struct Row {
    kind: MailKind,
    address: Email,
    user: Option<UserId>,
}

impl Row {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            kind: parsed(row, "kind")?,
            address: parsed(row, "address")?,
            user: optional(row, "user_id")?,
        })
    }

    /// The mail that it stands for now, if there is somebody to write it to.
    async fn written(
        self,
        conn: &mut AnyConnection,
        lifetimes: TokenLifetimes,
        now: Timestamp,
    ) -> Result<Option<Mail>, StoreError> {
        let Self { kind, address, user } = self;
        let account = match user {
            Some(id) => accounts::by_id(conn, id).await?,
            None => accounts::by_email(conn, &address).await?,
        };
        let Some(account) = account.filter(|account| account.status == UserStatus::Active) else {
            return Ok(None);
        };
        let (account, letter) = match kind {
            MailKind::Recovery => {
                let purpose = Purpose::Recovery(lifetimes.recovery);
                let mailed = mail_tokens::issue(conn, purpose, &account, &address, now).await?;
                (account, Letter::Recovery(mailed))
            }
            MailKind::Verification => {
                if !account.waits_for(&address) {
                    return Ok(None);
                }
                match accounts::by_email(conn, &address).await? {
                    Some(holder) if holder.id != account.id => (holder, Letter::AlreadyRegistered),
                    _ => {
                        let purpose = Purpose::Verification(lifetimes.verification);
                        let mailed =
                            mail_tokens::issue(conn, purpose, &account, &address, now).await?;
                        (account, Letter::Verification(mailed))
                    }
                }
            }
            MailKind::AlreadyRegistered => (account, Letter::AlreadyRegistered),
            MailKind::PasswordChanged => (account, Letter::PasswordChanged),
            MailKind::EmailWanted => (account, Letter::EmailWanted),
            MailKind::EmailChanged => (account, Letter::EmailChanged),
            MailKind::SessionRevoked => (account, Letter::SessionRevoked),
        };
        let known = account.email_verified && !matches!(letter, Letter::Verification(_));
        Ok(Some(Mail { to: address, name: known.then_some(account.name), letter }))
    }
}

#[async_trait]
impl MailQueue for SqlStore {
    fn queued(&self) -> Arc<Notify> {
        Arc::clone(&self.news.mailer)
    }

    async fn ask_recovery(&self, email: &Email, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            |mut tx| async move { enqueue(&mut tx, MailKind::Recovery, email, None, now).await },
        )
        .await
    }

    async fn ask_verification(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.write(|mut tx| async move {
            let Some(account) = accounts::by_id(&mut tx, user).await? else { return Ok(()) };
            let unverified = (!account.email_verified).then_some(account.email);
            let Some(address) = account.pending_email.or(unverified) else { return Ok(()) };
            enqueue(&mut tx, MailKind::Verification, &address, Some(user), now).await
        })
        .await
    }

    async fn due(&self, limit: u32, now: Timestamp) -> Result<Vec<QueuedMail>, StoreError> {
        self.read_on(|mut tx| async move {
            let rows = sqlx::query(DUE)
                .bind(now.as_millis())
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await
                .db()?;
            rows.iter()
                .map(|row| {
                    Ok(QueuedMail {
                        id: get(row, "id")?,
                        queued_at: time(row, "created_at")?,
                        attempts: get::<i32>(row, "attempts")?.unsigned_abs(),
                    })
                })
                .collect()
        })
        .await
    }

    async fn prepare(
        &self,
        id: i64,
        lifetimes: TokenLifetimes,
        now: Timestamp,
    ) -> Result<Option<Mail>, StoreError> {
        self.write_on(|mut tx| async move {
            let row = sqlx::query("SELECT kind, address, user_id FROM mail_queue WHERE id = ?")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await
                .db()?;
            let Some(row) = row else { return Ok(None) };
            let mail = Row::of(&row)?.written(&mut tx, lifetimes, now).await?;
            if mail.is_none() {
                remove(&mut tx, id).await?;
            }
            Ok(mail)
        })
        .await
    }

    async fn remove(&self, id: i64) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move { remove(&mut tx, id).await }).await
    }

    async fn put_off(&self, id: i64, until: Timestamp) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move {
            sqlx::query("UPDATE mail_queue SET attempts = attempts + 1, next_at = ? WHERE id = ?")
                .bind(until.as_millis())
                .bind(id)
                .execute(&mut *tx)
                .await
                .db()?;
            Ok(())
        })
        .await
    }

    async fn backlog(&self) -> Result<MailBacklog, StoreError> {
        self.read_on(|mut tx| async move {
            let row =
                sqlx::query("SELECT COUNT(*) AS mails, MIN(created_at) AS oldest FROM mail_queue")
                    .fetch_one(&mut *tx)
                    .await
                    .db()?;
            Ok(MailBacklog {
                mails: number(&row, "mails")?,
                oldest: optional_time(&row, "oldest")?,
            })
        })
        .await
    }
}
