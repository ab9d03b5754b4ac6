//! The audit log: who changed what, when and from where.

use async_trait::async_trait;
use serde_json::Value;

use super::{Act, StoreError};
use crate::domain::{Page, PageRequest, Timestamp, UserId};

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSubject {
    /// Such as `user`.
    pub kind: String,
    /// Its identifier; `*` for all of its kind.
    pub id: String,
}

/// One change, as the log tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Ascending, though not always in the order of time.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who, and from where.
    pub act: Act,
    /// Such as `account.disabled`.
    pub action: String,
    /// To what.
    pub subject: AuditSubject,
    /// An object of what is different now, as it was, without secrets.
    pub before: Option<Value>,
    /// The same as it is now.
    pub after: Option<Value>,
}

/// Which entries a list shows; everything that is set has to match.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Who did it.
    pub actor: Option<UserId>,
    /// The identifier of what it was done to.
    pub subject: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}

/// The log of who changed what. Changes that its store makes are noted by the store itself, in the
/// transaction of the change and under the circumstances that [`acting`](super::acting) gives.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// A page of entries, newest first.
    async fn entries(
        &self,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError>;

    /// Notes what is being done without a change in this store.
    async fn note(
        &self,
        action: &'static str,
        subject: &AuditSubject,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
