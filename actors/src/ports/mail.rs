//! Mails: the queue of those that wait, the tokens in them, and the way out.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::StoreError;
use crate::domain::{Email, Mail, MailToken, Timestamp, User, UserId};

/// A mail was not taken. The reason names neither the address nor what the mail says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// The way out.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a mail over; when it is done, the mail is somebody else's to deliver.
    ///
    /// # Errors
    /// When it was not taken, or not within 10 s. It may be on its way all the same.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// A mail that waits. Who is written to, and what, is looked up when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedMail {
    /// In the order of queueing.
    pub id: i64,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// How often it was tried and failed.
    pub attempts: u32,
}

/// What waits in the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailBacklog {
    /// How many mails.
    pub mails: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
}

/// For how long tokens count from the moment that their mail is written.
#[derive(Debug, Clone, Copy)]
pub struct TokenLifetimes {
    /// Those that set a new password.
    pub recovery: Duration,
    /// Those that verify an address.
    pub verification: Duration,
}

/// The queue of mails. What other ports change puts mails about it here, in the same transaction.
#[async_trait]
pub trait MailQueue: Send + Sync {
    /// Signalled after every commit that queued a mail, so that nobody has to poll.
    fn queued(&self) -> Arc<Notify>;

    /// Queues a recovery for whatever account has the address, if any does.
    async fn ask_recovery(&self, email: &Email, now: Timestamp) -> Result<(), StoreError>;

    /// Queues a verification of the address that the user has or wants; nothing where it is
    /// verified.
    async fn ask_verification(&self, user: UserId, now: Timestamp) -> Result<(), StoreError>;

    /// The mails whose time has come, the longest due first.
    async fn due(&self, limit: u32, now: Timestamp) -> Result<Vec<QueuedMail>, StoreError>;

    /// Makes a mail ready, with a new token where it has one; the token is stored as a digest.
    /// `None` when there is nobody (any more) to write it to: then it has left the queue.
    async fn prepare(
        &self,
        id: i64,
        lifetimes: TokenLifetimes,
        now: Timestamp,
    ) -> Result<Option<Mail>, StoreError>;

    /// Takes a mail out of the queue.
    async fn remove(&self, id: i64) -> Result<(), StoreError>;

    /// Notes a failed attempt, and when the next one is to be.
    async fn put_off(&self, id: i64, until: Timestamp) -> Result<(), StoreError>;

    /// What waits.
    async fn backlog(&self) -> Result<MailBacklog, StoreError>;
}

/// Why a token did not do what it is for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MailTokenError {
    /// It is unknown, used or expired, is for something else, or its account is disabled.
    #[error("the token is not valid")]
    Invalid,
    /// Another account has got the address since.
    #[error("another account has this address")]
    EmailTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What tokens that came by mail are used for; each once.
#[async_trait]
pub trait MailTokens: Send + Sync {
    /// The account whose password a token may set now.
    async fn recovering(
        &self,
        token: &MailToken,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// Sets a new password (an argon2id hash in PHC form) for the token's account. That ends its
    /// sessions, drops its other tokens and an address that it waits for, and verifies the address
    /// that the token went to. The account.
    ///
    /// # Errors
    /// `Invalid`, `Store`.
    async fn reset_password(
        &self,
        token: &MailToken,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<UserId, MailTokenError>;

    /// Verifies the address that the token went to; where the account waits for it, it becomes the
    /// account's. The account.
    ///
    /// # Errors
    /// `Invalid`, `EmailTaken`, `Store`.
    async fn verify_email(
        &self,
        token: &MailToken,
        now: Timestamp,
    ) -> Result<UserId, MailTokenError>;
}
