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
    /// More calls than it can take wait already; trying again a moment later may help.
    #[error("the {store} store is too busy")]
    Busy {
        /// `sql` or `documents`.
        store: &'static str,
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

    /// What became of writes, where they are counted.
    fn writes(&self) -> Option<Writes> {
        None
    }
}

/// What became of the writes to a store since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// Pieces of work that were committed.
    pub committed: u64,
    /// Commits, each of one piece of work or of several that came together.
    pub commits: u64,
    /// Pieces of work that were turned away because too many waited.
    pub refused: u64,
}
