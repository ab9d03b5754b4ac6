//! What is done only so often, counted for all replicas together.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{LoginDelays, Quota, RateLimit, Timestamp};

/// A limit, and what it is counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What is limited, and a keyed digest of whom; at most 100 characters.
    pub name: String,
    /// How often.
    pub limit: RateLimit,
}

/// What has become of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// After how long it could succeed, where it was refused now.
    pub refused_for: Option<Duration>,
    /// What is left by each meter, in their order.
    pub quotas: Vec<Quota>,
}

/// The store of what was done how often. Exact, however many replicas count at once; the time is
/// the callers', whose clocks are taken to agree.
#[async_trait]
pub trait Throttles: Send + Sync {
    /// Counts one more by every meter, or by none of them where one has nothing left.
    async fn charge(&self, meters: &[Meter], now: Timestamp) -> Result<Charge, StoreError>;

    /// Begins an attempt to log in, which counts as failed from now on; gives after how long one
    /// may try, where that is not now.
    async fn attempt(
        &self,
        name: &str,
        delays: &LoginDelays,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError>;

    /// Forgets failures: an attempt has succeeded.
    async fn forget(&self, name: &str) -> Result<(), StoreError>;

    /// Takes an attempt back that came to no verdict.
    async fn withdraw(&self, name: &str, delays: &LoginDelays) -> Result<(), StoreError>;
}
