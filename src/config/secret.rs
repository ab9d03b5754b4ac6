//! Values that must not be seen.

use std::{collections::HashSet, fmt};

use serde::Deserialize;
use zeroize::Zeroizing;

/// What is found in examples of secrets, and in those that were never changed.
const SAMPLES: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "change this",
    "0123456789abcdef",
    "1234567890",
    "qwerty",
    "abcdefghijklmnop",
    "password",
    "secretsecret",
    "supersecret",
    "your-256-bit-secret",
    "your-secret",
    "your_secret",
    "at-least-256-bits-long",
    "example",
];
/// Bytes that differ from each other in a secret that is not made by repeating a few.
const MIN_DISTINCT_BYTES: usize = 10;

/// A value that is masked wherever it is printed, and whose memory is wiped.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Only for the code that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is not what a generator of random secrets would give, as far as one can see.
    pub(super) fn is_weak(&self) -> bool {
        let text = Zeroizing::new(self.0.to_ascii_lowercase());
        let bytes = self.0.as_bytes();
        let distinct: HashSet<&u8> = bytes.iter().collect();
        let repeats = (1..=bytes.len() / 2)
            .any(|period| bytes[period..].starts_with(&bytes[..bytes.len() - period]));
        repeats
            || distinct.len() < MIN_DISTINCT_BYTES
            || SAMPLES.iter().any(|sample| text.contains(sample))
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_drew_at_random_is_weak() {
        for weak in [
            "changemechangemechangemechangeme",
            "ChangeMe-4f1c9b2d7e6a508312345678",
            "secretsecretsecretsecretsecretse",
            "your-256-bit-secret-your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "0123456789abcdef0123456789abcdef",
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb",
            "12345678901234567890123456789012",
            "kT9xQ2mZ4vB7kT9xQ2mZ4vB7kT9xQ2mZ",
        ] {
            assert!(Secret::new(weak).is_weak(), "{weak}");
        }
        for good in [
            "4f9d1c27b8e05a63f2d7419c8be6035a7d12c94f60b3e85af1972dc46b08e53a",
            "Zk3vQ9xLr7TgW2pYb8NcJ5mHd4FsA6eU",
            "a pass phrase of more than thirty-two bytes",
        ] {
            assert!(!Secret::new(good).is_weak(), "{good}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }
}
