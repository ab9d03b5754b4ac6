//! One kind of work at a time, and no more of it than there is room for.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Time that has to pass for each time of work: it takes a tenth of a core and no more.
const SHARE: u32 = 10;
/// What may be saved up: so much work begins at once, however often it comes. Of a few thousand
/// films that is dozens of times; of a million each time has to be waited for.
const SAVED: Duration = Duration::from_millis(500);

/// Whether work of a kind may begin.
pub(super) struct Lane {
    busy: bool,
    free_at: Instant,
    /// When all the work that was done is paid for.
    paid_at: Instant,
    backoff: Backoff,
}

impl Lane {
    pub(super) fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
        let now = Instant::now();
        Self { busy: false, free_at: now, paid_at: now, backoff }
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
        let now = Instant::now();
        self.paid_at = self.paid_at.max(now) + took * SHARE;
        let owed = self.paid_at.saturating_duration_since(now);
        self.pause(owed.saturating_sub(SAVED * SHARE));
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

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    /// Works whenever it may, for a minute; how often it did.
    async fn busy_minute(took: Duration) -> u32 {
        pause();
        let (mut lane, mut times) = (Lane::new(), 0);
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if lane.free_in() == Some(Duration::ZERO) {
                lane.begin();
                assert_eq!(lane.free_in(), None);
                advance(took).await;
                lane.done(took);
                times += 1;
            } else {
                advance(Duration::from_millis(5)).await;
            }
        }
        times
    }

    #[tokio::test]
    async fn dear_work_takes_a_tenth_of_the_time() {
        let times = busy_minute(Duration::from_secs(2)).await;
        assert!((3..=4).contains(&times), "{times}");
    }

    #[tokio::test]
    async fn cheap_work_begins_at_once_until_it_adds_up() {
        let times = busy_minute(Duration::from_millis(10)).await;
        assert!((645..=665).contains(&times), "{times}");
        let mut lane = Lane::new();
        for _ in 0..49 {
            lane.begin();
            lane.done(Duration::from_millis(10));
            assert_eq!(lane.free_in(), Some(Duration::ZERO));
        }
    }

    #[tokio::test]
    async fn after_a_failure_it_waits() {
        pause();
        let mut lane = Lane::new();
        lane.begin();
        lane.failed();
        let wait = lane.free_in();
        assert!(wait.is_some_and(|wait| wait > Duration::ZERO && wait < Duration::from_secs(1)));
    }
}
