//! Subscriptions.

use serde::{Deserialize, Serialize};

use super::{PackageRef, SubscriptionId, Timestamp, UserId};

/// A user's hold on a package, from `starts_at` until `ends_at` (open when `None`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its identifier.
    pub id: SubscriptionId,
    /// Who holds it.
    pub user_id: UserId,
    /// The package in its effective version: the higher of the subscription's own and the floor.
    pub package: PackageRef,
    /// From when it counts, inclusive.
    pub starts_at: Timestamp,
    /// Until when it counts, exclusive.
    pub ends_at: Option<Timestamp>,
}
