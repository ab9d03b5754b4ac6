//! A clock that goes with tokio's.

use tokio::time::Instant;

use crate::{domain::Timestamp, ports::Clock};

/// Starts at a given moment and goes as tokio's clock goes: with `tokio::time::pause` it stands
/// still, with `tokio::time::advance` it moves together with every timer.
#[derive(Debug, Clone, Copy)]
pub struct DrivenClock {
    base: Timestamp,
    started: Instant,
}

impl DrivenClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }
}

impl Default for DrivenClock {
    /// Shows 2026-03-01T12:00:00Z now.
    fn default() -> Self {
        Self::starting_at(Timestamp::from_millis(1_772_366_400_000))
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        self.base.after(self.started.elapsed())
    }
}
