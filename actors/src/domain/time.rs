//! Points in time.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A point in time, UTC, to the millisecond; RFC 3339 on the wire, years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment of 1970.
    pub const EPOCH: Self = Self(0);
    /// 0001-01-01T00:00:00Z, in milliseconds.
    const MIN_MILLIS: i64 = -62_135_596_800_000;
    /// 9999-12-30T22:00:00.999Z (the last that every time zone can show), in milliseconds.
    const MAX_MILLIS: i64 = 253_402_207_200_999;

    /// From milliseconds since 1970, clamped to the years that RFC 3339 can write.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN_MILLIS, Self::MAX_MILLIS))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The machine's clock. Code with rules asks its clock port instead.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// Noon UTC of a date: the moment that stands for a viewing of which only the day is known.
    #[must_use]
    pub fn noon_of(date: jiff::civil::Date) -> Self {
        date.at(12, 0, 0, 0)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map(|noon| Self::from_millis(noon.timestamp().as_millisecond()))
            // Beyond what can be shown: clamped like every other moment.
            .unwrap_or(Self(if date.year() > 0 { Self::MAX_MILLIS } else { Self::MIN_MILLIS }))
    }

    /// This moment plus a duration.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::from_millis(
            self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment minus a duration.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_millis(
            self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// An hour, counted from the first of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    const MILLIS: i64 = 3_600_000;

    /// The hour that a moment lies in.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(time.0.div_euclid(Self::MILLIS))
    }

    /// From its number.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// The hour this many hours before.
    #[must_use]
    pub fn before(self, hours: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(hours)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse::<jiff::Timestamp>()
            .map(|parsed| Self::from_millis(parsed.as_millisecond()))
            .map_err(|_| {
                Invalid::new("not_a_time", "must be an RFC 3339 time such as 2026-03-01T20:15:00Z")
            })
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}
