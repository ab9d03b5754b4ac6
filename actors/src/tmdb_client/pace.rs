//! How fast TMDb may be asked.

use std::{
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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
    rate: Option<NonZeroU32>,
    limiter: Option<Limiter>,
    clock: TokioClock,
    paused_until: Mutex<Option<Instant>>,
    /// Who holds it is at the head of the queue: the others sleep until it is their turn instead
    /// of all waking for the same slot.
    head: tokio::sync::Mutex<()>,
    waiting: AtomicU64,
}

/// Somebody who waits, until dropped.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
        Self {
            rate: per_second,
            limiter,
            clock,
            paused_until: Mutex::new(None),
            head: tokio::sync::Mutex::new(()),
            waiting: AtomicU64::new(0),
        }
    }

    /// Requests a second; no limit when `None`.
    pub(super) fn rate(&self) -> Option<NonZeroU32> {
        self.rate
    }

    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Nobody asks for this long.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        if paused.is_none_or(|before| before < until) {
            *paused = Some(until);
        }
    }

    /// What is left of a pause.
    pub(super) fn paused_for(&self) -> Option<Duration> {
        let paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        paused
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    /// Waits for a turn, in the order of asking. A pause of more than `patience` is not waited
    /// for.
    ///
    /// # Errors
    /// What is left of a pause that is too long.
    pub(super) async fn turn(&self, patience: Duration) -> Result<(), Duration> {
        let _waiting = Waiting::begin(&self.waiting);
        let _head = self.head.lock().await;
        loop {
            if let Some(left) = self.paused_for() {
                if left > patience {
                    return Err(left);
                }
                tokio::time::sleep(left).await;
                continue;
            }
            let Some(limiter) = &self.limiter else { return Ok(()) };
            match limiter.check() {
                Ok(()) => return Ok(()),
                Err(too_early) => {
                    let wait = too_early.wait_time_from(self.clock.now());
                    // tokio's timers tick in milliseconds: less would spin.
                    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }
}
