//! What a user may see now, and the one function that decides it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{GenreSet, Invalid, PackageRef, SubscriptionId, Timestamp};

/// How many of a movie's genres have to be in the entitlement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntitlementMode {
    /// At least one.
    #[default]
    Any,
    /// Every one.
    All,
}

impl FromStr for EntitlementMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            _ => Err(Invalid::new("not_a_mode", "must be `any` or `all`")),
        }
    }
}

/// The set of genres that a user may see, and how it is to be applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Entitlement {
    /// The union of the genres of the user's active subscriptions.
    pub genres: GenreSet,
    /// The operator's choice.
    pub mode: EntitlementMode,
}

impl Entitlement {
    /// Whether a movie of these genres may be seen and marked. One with no genres never may.
    #[must_use]
    pub fn permits(&self, movie_genres: &GenreSet) -> bool {
        match self.mode {
            EntitlementMode::Any => movie_genres.intersects(&self.genres),
            EntitlementMode::All => {
                !movie_genres.is_empty() && movie_genres.is_subset(&self.genres)
            }
        }
    }
}

/// A subscription that is active now or will be, as far as entitlement needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The package in its effective version: the higher of the subscription's own and the floor.
    pub package: PackageRef,
    /// From when it counts, inclusive.
    pub starts_at: Timestamp,
    /// Until when it counts, exclusive; open when `None`.
    pub ends_at: Option<Timestamp>,
}

impl Holding {
    /// Whether it counts at this moment.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && self.ends_at.is_none_or(|end| now < end)
    }

    /// The next moment after `now` at which it begins or ceases to count.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [Some(self.starts_at), self.ends_at].into_iter().flatten().filter(|at| *at > now).min()
    }
}
