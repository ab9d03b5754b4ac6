//! Sessions.

use core::net::IpAddr;

use super::{SessionId, Timestamp, UserId};

/// What a login begins, and every refresh goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed; when it began, if never.
    pub used_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub expires_at: Timestamp,
    /// What the client said of itself at login.
    pub user_agent: Option<String>,
    /// Where the client was at login.
    pub address: Option<IpAddr>,
}
