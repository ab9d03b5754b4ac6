//! Where a piece of work belongs in a distributed trace.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

/// A `traceparent` of version 00 (W3C Trace Context): 55 characters, lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceParent {
    /// The beginning of a trace that nobody samples.
    #[must_use]
    pub fn generate() -> Self {
        Self { trace: Uuid::new_v4().as_u128(), span: 0, flags: 0 }.child()
    }

    /// Another piece of work of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        // The lower half of a random UUID has its variant's bit set: it is never zero.
        Self { span: Uuid::new_v4().as_u64_pair().1, ..self }
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
