//! Leaving a source alone that keeps failing.

use std::time::Duration;

use tokio::time::Instant;

/// Whether the source is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// As usual.
    #[default]
    Closed,
    /// One request is let through to see whether it works again.
    HalfOpen,
    /// Not at all, for a while.
    Open,
}

/// How a request is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    AsUsual,
    /// To see whether the source works again: it is sent once, and is not waited for as long.
    AsProbe,
}

/// Failures in a row after which the source is left alone.
const THRESHOLD: u32 = 5;
/// For how long. With a probe that comes to nothing this is how long after its return a source
/// that was silent is asked again.
const OPEN_FOR: Duration = Duration::from_secs(2);

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Circuit {
    /// Whether a request may go; if not, how long it is not worth asking.
    pub(super) fn admit(&mut self) -> Result<Admitted, Duration> {
        let Some(until) = self.open_until else { return Ok(Admitted::AsUsual) };
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Err(left);
        }
        if self.probing {
            return Err(Duration::from_secs(1));
        }
        self.probing = true;
        Ok(Admitted::AsProbe)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Counts a failure. For how long the circuit is open now, if this one has opened it.
    pub(super) fn failed(&mut self, admitted: Admitted) -> Option<Duration> {
        if admitted == Admitted::AsProbe {
            self.probing = false;
        } else if self.open_until.is_some() {
            // Sent before the source was left alone: it says nothing new, and many of them would
            // put the probe off for long.
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        (self.failures >= THRESHOLD).then(|| {
            self.open_until = Some(Instant::now() + OPEN_FOR);
            OPEN_FOR
        })
    }

    /// A request that was let through will not report back.
    pub(super) fn abandoned(&mut self) {
        self.probing = false;
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.open_until {
            None => CircuitState::Closed,
            Some(until) if self.probing || until <= Instant::now() => CircuitState::HalfOpen,
            Some(_) => CircuitState::Open,
        }
    }
}
