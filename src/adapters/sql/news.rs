//! What becomes known of writes: commits wake who waits for them, and are counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;
use watchme_actors::ports::Writes;

#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) relay: Arc<Notify>,
    pub(super) mailer: Arc<Notify>,
    writes: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
}

impl News {
    /// A commit of so many writes has come to its end.
    pub(super) fn committed(&self, writes: u64, wakes_relay: bool, wakes_mailer: bool) {
        self.writes.fetch_add(writes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        if wakes_relay {
            self.relay.notify_one();
        }
        if wakes_mailer {
            self.mailer.notify_one();
        }
    }

    /// Somebody was told not to wait.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn writes(&self) -> Writes {
        Writes {
            committed: self.writes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}
