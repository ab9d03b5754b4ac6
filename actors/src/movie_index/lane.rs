//! One kind of work at a time, and rest after it.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Rest after work, in units of the work: so that it never takes more than a tenth of a core.
const REST: u32 = 9;

/// Whether work of a kind may begin.
pub(super) struct Lane {
    busy: bool,
    free_at: Instant,
    backoff: Backoff,
}

impl Lane {
    pub(super) fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
        Self { busy: false, free_at: Instant::now(), backoff }
    }

    /// When work may begin; `None` while other work of its kind is under way.
    pub(super) fn free_in(&self) -> Option<Duration> {
        (!self.busy).then(|| self.free_at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn begin(&mut self) {
        self.busy = true;
    }

    /// The work is done, and took so long.
    pub(super) fn done(&mut self, took: Duration) {
        self.backoff.reset();
        self.pause(took * REST);
    }

    /// The work failed, and is to be tried again.
    pub(super) fn failed(&mut self) {
        let wait = self.backoff.after_failure();
        self.pause(wait);
    }

    /// Nothing is under way, nor begins before a while.
    pub(super) fn pause(&mut self, wait: Duration) {
        self.busy = false;
        self.free_at = Instant::now() + wait;
    }
}
