//! What the CatalogueSyncActor publishes, and its timer.

use actix::Message;

use crate::ports::SyncRecord;

/// Whether the catalogue is being filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatalogueState {
    /// A pass is under way; lists show what has come so far.
    #[default]
    Syncing,
    /// The last pass is complete.
    Ready,
    /// A pass is stuck; it goes on when the source answers again.
    Failed,
}

impl CatalogueState {
    /// The word in `/health`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syncing => "syncing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// How far the synchronisation of the catalogue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogueProgress {
    /// Whether it is being filled.
    pub state: CatalogueState,
    /// Pages of this pass that are stored.
    pub pages_done: u32,
    /// Pages that this pass knows of; grows while the genres' first pages come in.
    pub pages_total: u32,
    /// Pages of this pass that could not be read and were left out; they count as done.
    pub pages_skipped: u32,
    /// Rows that could not be read, since the start.
    pub rejected: u64,
    /// What the last passes came to.
    pub record: SyncRecord,
}

/// The timer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tick;

/// Delete what may not be kept any longer, whether or not the source answers.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Expire;
