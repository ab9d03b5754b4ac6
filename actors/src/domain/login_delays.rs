//! How guessing one account's password is slowed down.

use std::time::Duration;

use super::Timestamp;

/// What failed logins of one account cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginDelays {
    /// So many failures cost nothing.
    pub free_failures: u32,
    /// What the next one costs; each one after it twice as much as the one before.
    pub first: Duration,
    /// Up to this.
    pub most: Duration,
}

/// What one account's logins have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginFailures {
    /// Since the last login that succeeded. Those that have no verdict yet are among them.
    pub count: u32,
    /// Nobody may try before.
    pub blocked_until: Timestamp,
}

impl LoginFailures {
    /// So long after the last one all are forgotten.
    pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
    /// None.
    pub const NONE: Self = Self { count: 0, blocked_until: Timestamp::EPOCH };
}

impl LoginDelays {
    /// Begins an attempt. It counts as failed from now on: of many that come at once, no more are
    /// let in than if they had come one after another.
    ///
    /// # Errors
    /// After how long one may try, where that is not now.
    pub fn attempt(
        &self,
        before: LoginFailures,
        now: Timestamp,
    ) -> Result<LoginFailures, Duration> {
        // No longer than these delays could have led to, whatever clock it was measured by.
        let wait = before.blocked_until.since(now).min(self.most);
        if !wait.is_zero() {
            return Err(wait);
        }
        let count = before.count.saturating_add(1);
        Ok(LoginFailures { count, blocked_until: now.after(self.after(count)) })
    }

    /// The same failures without one of them, as if it had never been.
    #[must_use]
    pub fn without_one(&self, failures: LoginFailures) -> LoginFailures {
        let LoginFailures { count, blocked_until } = failures;
        let fewer = count.saturating_sub(1);
        let blocked_until = blocked_until.before(self.after(count)).after(self.after(fewer));
        LoginFailures { count: fewer, blocked_until }
    }

    /// For how long nobody may try after so many failures.
    fn after(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free_failures) {
            None | Some(0) => Duration::ZERO,
            Some(costly) => {
                self.first.saturating_mul(2u32.saturating_pow(costly - 1)).min(self.most)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DELAYS: LoginDelays =
        LoginDelays { free_failures: 5, first: SECOND, most: Duration::from_secs(900) };

    /// Failures, each as soon as it may be; the last one, and when it was.
    fn fail(count: u32) -> (LoginFailures, Timestamp) {
        let (mut failures, mut now) = (LoginFailures::NONE, Timestamp::EPOCH);
        for _ in 0..count {
            if let Err(wait) = DELAYS.attempt(failures, now) {
                now = now.after(wait);
            }
            failures = DELAYS.attempt(failures, now).unwrap();
        }
        (failures, now)
    }

    #[test]
    fn five_are_free_and_then_each_costs_twice_as_much_up_to_a_quarter_of_an_hour() {
        let waits = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
        for (before, wait) in waits.into_iter().enumerate() {
            let (failures, now) = fail(u32::try_from(before).unwrap() + 1);
            assert_eq!(failures.blocked_until.since(now), SECOND * wait, "{before}");
        }
        assert_eq!(DELAYS.after(u32::MAX), DELAYS.most);
    }

    #[test]
    fn one_that_is_taken_back_leaves_what_the_others_cost() {
        for count in [1, 5, 6, 9, 40] {
            let (before, then) = fail(count - 1);
            let now = then.after(DELAYS.most);
            let failures = DELAYS.attempt(before, now).unwrap();
            let left = DELAYS.without_one(failures);
            assert_eq!(left.count, before.count, "{count}");
            assert_eq!(left.blocked_until.since(now), DELAYS.after(count - 1), "{count}");
        }
        let (six, now) = fail(6);
        assert!(DELAYS.attempt(DELAYS.without_one(six), now).is_ok());
        assert_eq!(DELAYS.without_one(LoginFailures::NONE), LoginFailures::NONE);
    }
}
