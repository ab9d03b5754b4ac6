//! Waiting longer after every failure.

use std::time::Duration;

use rand::RngExt;

/// Doubling waits with jitter, from a first one up to a longest one.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of about `first`, doubling up to about `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The same after so many failures in a row.
    #[must_use]
    pub fn resumed(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// How long to wait after one more failure: between half and the whole of the doubled wait,
    /// so that replicas which failed together do not come back together.
    pub fn after_failure(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something worked: the next failure waits the first wait again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}
