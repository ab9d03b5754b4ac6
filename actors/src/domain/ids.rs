//! Identifiers: UUIDs (version 7) for what is ours, numbers for what is TMDb's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Invalid;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by the time of its making (UUID version 7).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The UUID itself.
            #[must_use]
            pub fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Invalid::new("not_a_uuid", "must be a UUID"))
            }
        }
    )*};
}

uuid_id! {
    /// An account.
    UserId,
    /// A package, over all its versions.
    PackageId,
    /// A user's hold on a package.
    SubscriptionId,
    /// One viewing of a movie.
    PlayId,
    /// A watch event.
    EventId,
    /// A session: what a login begins, and every refresh goes on with.
    SessionId,
}

macro_rules! tmdb_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(u32);

        impl $name {
            /// The number, from 1 to 2³¹ − 1.
            #[must_use]
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Invalid;

            fn try_from(number: i64) -> Result<Self, Invalid> {
                match u32::try_from(number) {
                    Ok(id) if (1..=i32::MAX as u32).contains(&id) => Ok(Self(id)),
                    _ => Err(Invalid::new(
                        "not_an_id",
                        "must be a whole number from 1 to 2147483647",
                    )),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                i64::from(id.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                // A sign or a leading zero would give one thing two addresses.
                let number = if text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0') {
                    text.parse().unwrap_or(0)
                } else {
                    0
                };
                Self::try_from(number)
            }
        }
    )*};
}

tmdb_id! {
    /// TMDb's number of a movie.
    MovieId,
    /// TMDb's number of a genre.
    GenreId,
}
