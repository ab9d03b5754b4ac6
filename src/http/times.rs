//! Moments as clients give them: an RFC 3339 time, or a date where only the day is known.

use std::{str::FromStr, time::Duration};

use jiff::civil::Date;
use watchme_actors::domain::{Invalid, Precision, Timestamp, Viewing};

const DAY: Duration = Duration::from_secs(86_400);
const TWO_HOURS: Duration = Duration::from_secs(2 * 3_600);
const HALF_A_DAY: Duration = Duration::from_secs(43_200);
/// 1900-01-01T00:00:00Z, in milliseconds.
const EARLIEST: i64 = -2_208_988_800_000;

/// A moment, or a day of which no more is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeOrDate {
    Time(Timestamp),
    Date(Date),
}

impl FromStr for TimeOrDate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() == 10 {
            let date = text.parse::<Date>().map(Self::Date);
            return date
                .map_err(|_| Invalid::new("not_a_date", "must be a date such as 2026-03-01"));
        }
        text.parse().map(Self::Time).map_err(|_: Invalid| {
            Invalid::new(
                "not_a_time",
                "must be an RFC 3339 time such as 2026-03-01T20:15:00Z, or a date such as 2026-03-01",
            )
        })
    }
}

impl TimeOrDate {
    /// Where a range that begins with it begins, inclusive.
    pub(crate) fn beginning(self) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Date(date) => Timestamp::noon_of(date).before(HALF_A_DAY),
        }
    }

    /// Where a range that ends with it ends, exclusive: a day belongs to it whole.
    pub(crate) fn end(self) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Date(date) => Timestamp::noon_of(date).after(HALF_A_DAY),
        }
    }

    /// The viewing that it tells of, not before 1900 and at most 24 h from now; a day, once it has begun
    /// somewhere on Earth.
    pub(crate) fn viewing(self, now: Timestamp) -> Result<Viewing, Invalid> {
        let viewing = match self {
            Self::Time(watched_at) => Viewing { watched_at, precision: Precision::Second },
            Self::Date(date) => {
                Viewing { watched_at: Timestamp::noon_of(date), precision: Precision::Day }
            }
        };
        if viewing.watched_at.as_millis() < EARLIEST {
            return Err(Invalid::new("too_early", "must not be before 1900"));
        }
        // A day begins up to 14 hours earlier than in UTC, and stands at its noon.
        let latest = match viewing.precision {
            Precision::Second => now.after(DAY),
            Precision::Day => now.after(DAY + TWO_HOURS),
        };
        if viewing.watched_at > latest {
            let accepts = "must be at most 24 hours from now, or a day that has begun somewhere";
            return Err(Invalid::new("in_the_future", accepts));
        }
        Ok(viewing)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn viewing(text: &str) -> Result<Viewing, &'static str> {
        let now = "2026-03-01T20:00:00Z".parse().unwrap();
        text.parse::<TimeOrDate>()
            .and_then(|parsed| parsed.viewing(now))
            .map_err(|error| error.code)
    }

    #[test]
    fn a_date_stands_at_noon_and_keeps_its_precision() {
        let day = viewing("2026-02-28").unwrap();
        assert_eq!(day.watched_at.to_string(), "2026-02-28T12:00:00Z");
        assert_eq!(day.precision, Precision::Day);
        let moment = viewing("2026-02-28T23:30:00+01:00").unwrap();
        assert_eq!(moment.watched_at.to_string(), "2026-02-28T22:30:00Z");
        assert_eq!(moment.precision, Precision::Second);
    }

    #[test]
    fn viewings_lie_between_1900_and_tomorrow() {
        assert!(viewing("1900-01-01T00:00:00Z").is_ok());
        assert_eq!(viewing("1899-12-31T23:59:59Z"), Err("too_early"));
        assert!(viewing("2026-03-02T20:00:00Z").is_ok());
        assert_eq!(viewing("2026-03-02T20:00:01Z"), Err("in_the_future"));
        assert!(viewing("2026-03-02").is_ok());
        assert_eq!(viewing("2026-03-03"), Err("in_the_future"));
        // The last day that there is, which no time zone can show whole.
        assert_eq!(viewing("9999-12-31"), Err("in_the_future"));
        for bad in ["", "now", "2026-13-01", "2026-02-30", "2026-03-01T20:15:00", "01.03.2026"] {
            assert!(viewing(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_of_dates_holds_its_last_day() {
        let date: TimeOrDate = "2026-03-01".parse().unwrap();
        assert_eq!(date.beginning().to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(date.end().to_string(), "2026-03-02T00:00:00Z");
        let last: TimeOrDate = "9999-12-31".parse().unwrap();
        assert!(last.beginning() > date.end() && last.end() > date.end());
    }
}
