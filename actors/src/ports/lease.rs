//! Who does what only one replica may do.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;

/// A process that may hold leases; made anew at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseOwner(Uuid);

impl LeaseOwner {
    /// A new owner.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for LeaseOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Named leases, timed by the store's own clock where it has one.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Takes or renews a lease for `ttl`; false while somebody else holds it.
    async fn acquire(
        &self,
        name: &str,
        owner: LeaseOwner,
        ttl: Duration,
    ) -> Result<bool, StoreError>;

    /// Gives a lease up, if `owner` holds it.
    async fn release(&self, name: &str, owner: LeaseOwner) -> Result<(), StoreError>;
}
