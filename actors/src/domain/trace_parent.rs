//! Where a piece of work belongs in a distributed trace.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A `traceparent` of version 00 (W3C Trace Context): 55 characters, lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// The bit of the flags that says that the trace is written down somewhere.
const SAMPLED: u8 = 1;

impl TraceParent {
    /// A piece of work by its ids, neither of which may be zero.
    ///
    /// # Errors
    /// When one is.
    pub fn new(trace: u128, span: u64, sampled: bool) -> Result<Self, Invalid> {
        if trace == 0 || span == 0 {
            return Err(Invalid::new("not_a_traceparent", "must not have ids of zeros"));
        }
        Ok(Self { trace, span, flags: if sampled { SAMPLED } else { 0 } })
    }

    /// The beginning of a trace that nobody samples.
    #[must_use]
    pub fn generate() -> Self {
        Self { trace: rand::random_range(1..=u128::MAX), span: 0, flags: 0 }.child()
    }

    /// Another piece of work of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: rand::random_range(1..=u64::MAX), ..self }
    }

    /// The id of the trace; never zero.
    #[must_use]
    pub fn trace_id(self) -> u128 {
        self.trace
    }

    /// The id of the piece of work; never zero.
    #[must_use]
    pub fn span_id(self) -> u64 {
        self.span
    }

    /// Whether the trace is written down.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("not_a_traceparent", "must be a W3C traceparent");
        let hex = |range: std::ops::Range<usize>| {
            let part = text.get(range).ok_or_else(wrong)?;
            let plain = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            plain.then_some(part).ok_or_else(wrong)
        };
        let dashes = [2, 35, 52].iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
        if text.len() != 55 || !dashes || !text.starts_with("00") {
            return Err(wrong());
        }
        let trace = u128::from_str_radix(hex(3..35)?, 16).map_err(|_| wrong())?;
        let span = u64::from_str_radix(hex(36..52)?, 16).map_err(|_| wrong())?;
        let flags = u8::from_str_radix(hex(53..55)?, 16).map_err(|_| wrong())?;
        if trace == 0 || span == 0 {
            return Err(wrong());
        }
        Ok(Self { trace, span, flags })
    }
}

impl TryFrom<String> for TraceParent {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent: TraceParent = text.parse().unwrap();
        assert_eq!(parent.to_string(), text);
        let child = parent.child().to_string();
        assert_eq!((&child[..36], &child[52..]), (&text[..36], &text[52..]));
        assert_ne!(child, text);
        assert!(parent.is_sampled() && !TraceParent::generate().is_sampled());
        let again = TraceParent::new(parent.trace_id(), parent.span_id(), true);
        assert_eq!(again.unwrap().to_string(), text);
        assert!(TraceParent::new(0, 1, true).is_err() && TraceParent::new(1, 0, true).is_err());
        let made = TraceParent::generate();
        assert_eq!(made.to_string().parse::<TraceParent>().unwrap(), made);
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(wrong.parse::<TraceParent>().is_err(), "{wrong}");
        }
    }
}
