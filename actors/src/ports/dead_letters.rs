//! Messages that could never be applied and were put aside.

use async_trait::async_trait;

use super::BusError;
use crate::domain::Timestamp;

/// A message that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Ascending; what `replay` is told.
    pub id: u64,
    /// When it was put aside.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The subject it came on.
    pub subject: String,
    /// The identifier it was published with; empty when it had none.
    pub message_id: String,
    /// Its body as it came. Bytes that are no UTF-8 are shown as replacement characters here, but
    /// replayed as they came.
    pub original: String,
}

/// What was put aside.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Dead letters with an id above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn list(&self, after: u64, limit: u32) -> Result<Vec<DeadLetter>, BusError>;

    /// Sends one on its way again, as it came, and removes it from what is put aside; false when
    /// there is none with this id. It is removed last: a failure in between leaves a letter too
    /// many, never one too few.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn replay(&self, id: u64) -> Result<bool, BusError>;
}
