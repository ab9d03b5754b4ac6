//! What the MovieIndexActor is asked, and what it publishes beside the index.

use std::time::Duration;

use actix::Message;
use tokio::time::Instant;

use super::changed::Changed;

/// How the index is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexStatus {
    /// Films that it has; 0 before the first were read.
    pub films: u64,
    /// Bytes that it takes, about.
    pub bytes: usize,
    /// How long making all of it took last.
    pub build: Duration,
    /// Since when it has been compared with all that is stored; `None` before the first time.
    pub read_at: Option<Instant>,
    /// Lists may not show something yet that is known to have changed.
    pub behind: bool,
}

impl IndexStatus {
    /// Of an index that was never made.
    pub(super) const NONE: Self =
        Self { films: 0, bytes: 0, build: Duration::ZERO, read_at: None, behind: true };

    /// How long ago it was last compared with all that is stored.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.read_at.map(|at| at.elapsed())
    }
}

/// Read again what has changed. The answer comes when lists show it, and is false when that may
/// take longer.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Follow(pub(super) Changed);

/// The timer of work that has to wait.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Step;

/// The timer of comparing.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look;
