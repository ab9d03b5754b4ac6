//! How often something may be done.

use std::{num::NonZeroU32, time::Duration};

use super::Timestamp;

/// So many at once, and as many again over each period, spread evenly (a token bucket).
///
/// Counted by GCRA: all there is to remember is the *arrival*, the moment at which the next one
/// would be expected at an even pace, in microseconds since 1970. Nobody has come when it is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub count: NonZeroU32,
    /// From 1 s.
    pub period: Duration,
}

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many more may come at once.
    pub remaining: u32,
    /// If nobody comes, all of it is there again after so long.
    pub full_in: Duration,
}

impl RateLimit {
    /// Lets one more come; the arrival that it leaves behind.
    ///
    /// # Errors
    /// After how long one may come, where that is not now.
    pub fn admit(self, arrival: i64, now: Timestamp) -> Result<i64, Duration> {
        let now = micros(now);
        // Not beyond what this limit can have led to: it may have been another one, or the clock
        // may have been set back.
        let next = arrival.clamp(now, now + self.burst()) + self.interval();
        match next - now - self.burst() {
            over @ 1.. => Err(duration(over)),
            _ => Ok(next),
        }
    }

    /// What is left after this arrival.
    #[must_use]
    pub fn quota(self, arrival: i64, now: Timestamp) -> Quota {
        let used = (arrival - micros(now)).clamp(0, self.burst());
        let remaining = (self.burst() - used) / self.interval();
        Quota { remaining: u32::try_from(remaining).unwrap_or(u32::MAX), full_in: duration(used) }
    }

    /// From one to the next at an even pace, in microseconds; rounded up, or more than `count`
    /// would fit into a burst.
    fn interval(self) -> i64 {
        let period = i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX / 4);
        let count = i64::from(self.count.get());
        (period / count + i64::from(period % count != 0)).max(1)
    }

    /// What `count` at once are ahead of an even pace, in microseconds.
    fn burst(self) -> i64 {
        self.interval() * i64::from(self.count.get())
    }
}

fn micros(time: Timestamp) -> i64 {
    time.as_millis() * 1_000
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(micros.unsigned_abs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn limit(count: u32, seconds: u64) -> RateLimit {
        RateLimit { count: count.try_into().unwrap(), period: Duration::from_secs(seconds) }
    }

    /// How many come in at once, and the arrival after them.
    fn burst(limit: RateLimit, mut arrival: i64, now: Timestamp) -> (u32, i64) {
        let mut count = 0;
        while let Ok(next) = limit.admit(arrival, now) {
            (count, arrival) = (count + 1, next);
        }
        (count, arrival)
    }

    #[test]
    fn as_many_come_at_once_as_the_limit_says_even_where_the_period_cannot_be_divided() {
        for (count, seconds) in [(1, 1), (3, 1), (7, 1), (100, 3_600), (600_001, 1), (300, 900)] {
            assert_eq!(burst(limit(count, seconds), 0, NOW).0, count, "{count}/{seconds}s");
        }
    }

    #[test]
    fn after_that_one_comes_in_each_share_of_the_period() {
        let limit = limit(300, 900);
        let (_, arrival) = burst(limit, 0, NOW);
        assert_eq!(limit.admit(arrival, NOW), Err(Duration::from_secs(3)));
        let later = NOW.after(Duration::from_millis(2_999));
        assert_eq!(limit.admit(arrival, later), Err(Duration::from_millis(1)));
        assert_eq!(burst(limit, arrival, NOW.after(Duration::from_secs(3))).0, 1);
        assert_eq!(burst(limit, arrival, NOW.after(Duration::from_secs(31))).0, 10);
        assert_eq!(burst(limit, arrival, NOW.after(Duration::from_secs(9_000))).0, 300);
    }

    #[test]
    fn what_is_left_is_told() {
        let limit = limit(300, 900);
        let quota = |arrival| limit.quota(arrival, NOW);
        assert_eq!(quota(0), Quota { remaining: 300, full_in: Duration::ZERO });
        let one = limit.admit(0, NOW).unwrap();
        assert_eq!(quota(one), Quota { remaining: 299, full_in: Duration::from_secs(3) });
        let (_, all) = burst(limit, 0, NOW);
        assert_eq!(quota(all), Quota { remaining: 0, full_in: Duration::from_secs(900) });
    }

    #[test]
    fn an_arrival_that_cannot_be_is_no_reason_to_wait_longer() {
        let limit = limit(5, 5);
        assert_eq!(limit.admit(1 << 60, NOW), Err(Duration::from_secs(1)));
        assert_eq!(limit.quota(1 << 60, NOW).full_in, Duration::from_secs(5));
    }
}
