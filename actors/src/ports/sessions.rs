//! Sessions: one row for each family of refresh tokens.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{Page, PageRequest, Role, Session, SessionId, Timestamp, UserId, UserStatus};

/// The most sessions that one user has.
pub const MAX_SESSIONS: usize = 100;

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its identifier.
    pub id: SessionId,
    /// Who has signed in.
    pub user: UserId,
    /// The hash that the password was checked against.
    pub password_hash: String,
    /// SHA-256 of its first refresh token, in hexadecimal.
    pub token_hash: String,
    /// What the client says of itself; at most 200 characters.
    pub user_agent: Option<String>,
    /// Where the client is.
    pub address: Option<IpAddr>,
    /// Now.
    pub now: Timestamp,
    /// A session that is not refreshed for so long ends.
    pub idle: Duration,
    /// After so long it ends however often it is refreshed.
    pub lifetime: Duration,
}

/// Why no session was begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BeginError {
    /// The account is gone, or has had another password hash since the check.
    #[error("the account is not what it was when its password was checked")]
    Changed,
    /// The account has been disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refresh token to be exchanged for another: one of ours, whatever the store knows of it. Tokens are
/// told by the SHA-256 of their secret, in hexadecimal.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session that the token names.
    pub session: SessionId,
    /// The token that was presented.
    pub presented: String,
    /// The token to exchange it for.
    pub child: String,
    /// The same in a form that only a holder of the presented one can open; at most 300 characters.
    pub sealed_child: String,
    /// Now.
    pub now: Timestamp,
    /// A session that is not refreshed for so long ends.
    pub idle: Duration,
    /// For how long the token before is answered with what it was exchanged for.
    pub grace: Duration,
}

/// What has become of a [`Rotation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The child counts from now on.
    Advanced {
        /// Whose session it is.
        user: UserId,
    },
    /// The token was exchanged a moment ago, and the answer may have been lost. Nothing changed.
    Repeated {
        /// Whose session it is.
        user: UserId,
        /// What it was exchanged for.
        sealed_child: String,
    },
    /// The token was exchanged before: somebody else has it too. The session has been ended.
    Reused {
        /// Whose session it was.
        user: UserId,
    },
    /// It is no token of a session that lives.
    Refused,
}

/// What an account and one of its sessions are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the account may do.
    pub role: Role,
    /// Whether it may be used.
    pub status: UserStatus,
    /// Whether its address needs no verification (any more).
    pub email_verified: bool,
    /// Whether the session is the account's and has not ended.
    pub session_lives: bool,
}

/// The store of sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Begins a session. Of more than [`MAX_SESSIONS`] those end that were idle longest.
    ///
    /// # Errors
    /// `Changed`, `Disabled`, `Store`.
    async fn begin(&self, session: NewSession) -> Result<(), BeginError>;

    /// Exchanges a refresh token: exactly one of many who present the same one at once moves the
    /// session on. One that comes again after that ends the session, and a mail tells the user, where
    /// the address is verified, once an hour at most.
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError>;

    /// The standing of a user in a session; `None` when there is no such account.
    async fn standing(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Standing>, StoreError>;

    /// A page of a user's sessions that live, the newest first.
    async fn sessions(
        &self,
        user: UserId,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError>;

    /// Ends a user's session; whether there was one that lived.
    async fn end(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}
