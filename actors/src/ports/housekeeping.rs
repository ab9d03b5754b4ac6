//! Deleting what has expired.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::Timestamp;

/// The moments at which things have expired.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// What says itself when it expires has done so by then.
    pub now: Timestamp,
    /// Entries of the audit log from before are too old.
    pub audit_before: Timestamp,
    /// Mails that were queued before will not be sent any more.
    pub mails_before: Timestamp,
}

/// How much of what was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries of the audit log.
    pub audit_entries: u64,
    /// Throttles that say nothing any more.
    pub throttles: u64,
    /// Tokens that were sent by mail.
    pub mail_tokens: u64,
    /// Sessions.
    pub sessions: u64,
    /// Mails that could not be sent.
    pub mails: u64,
    /// Idempotency keys of 24 hours and more.
    pub idempotency_keys: u64,
}

impl Swept {
    /// Everything together.
    #[must_use]
    pub fn total(self) -> u64 {
        self.audit_entries
            + self.throttles
            + self.mail_tokens
            + self.sessions
            + self.mails
            + self.idempotency_keys
    }
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.audit_entries += more.audit_entries;
        self.throttles += more.throttles;
        self.mail_tokens += more.mail_tokens;
        self.sessions += more.sessions;
        self.mails += more.mails;
        self.idempotency_keys += more.idempotency_keys;
    }
}

/// Deletes what has expired.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Deletes a batch of each kind; nothing is left when it deletes nothing.
    async fn sweep(&self, expiry: Expiry) -> Result<Swept, StoreError>;
}
