//! What every store can answer.

use async_trait::async_trait;

/// A store could not do what was asked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is too busy or did not answer in time; trying again later may help.
    #[error("the {store} store is unavailable: {reason}")]
    Unavailable {
        /// `sql` or `documents`.
        store: &'static str,
        /// For the log; may name tables.
        reason: String,
    },
    /// It holds something that this version cannot read.
    #[error("the {store} store holds something unreadable: {reason}")]
    Corrupt {
        /// `sql` or `documents`.
        store: &'static str,
        /// For the log.
        reason: String,
    },
}

/// Something whose health can be asked.
#[async_trait]
pub trait Probe: Send + Sync {
    /// One cheap round trip.
    ///
    /// # Errors
    /// When it does not answer.
    async fn check(&self) -> Result<(), StoreError>;

    /// Whether it is known to be away now, without asking.
    fn is_away(&self) -> bool {
        false
    }
}
