//! How fast TMDb may be asked.

use std::{num::NonZeroU32, sync::Mutex, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use tokio::time::Instant;

/// tokio's time as governor wants it, so that one clock drives timers and limits.
#[derive(Debug, Clone)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>;

/// A rate that is never exceeded, and a pause when the source asked for one.
pub(super) struct Pace {
    limiter: Option<Limiter>,
    clock: TokioClock,
    paused_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// `per_second` requests, evenly spaced (a burst would be twice the rate in its first second);
    /// no limit when `None`.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let clock = TokioClock { start: Instant::now() };
        let limiter = per_second.map(|rate| {
            let evenly = Quota::per_second(rate).allow_burst(NonZeroU32::MIN);
            RateLimiter::direct_with_clock(evenly, clock.clone())
        });
        Self { limiter, clock, paused_until: Mutex::new(None) }
    }

    /// Nobody asks for this long.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut paused =
            self.paused_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if paused.is_none_or(|before| before < until) {
            *paused = Some(until);
        }
    }

    /// What is left of a pause.
    pub(super) fn paused_for(&self) -> Option<Duration> {
        let paused = self.paused_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        paused
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) {
        loop {
            if let Some(left) = self.paused_for() {
                tokio::time::sleep(left).await;
                continue;
            }
            let Some(limiter) = &self.limiter else { return };
            match limiter.check() {
                Ok(()) => return,
                Err(too_early) => {
                    let wait = too_early.wait_time_from(self.clock.now());
                    // tokio's timers tick in milliseconds: less would spin.
                    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }
}
