//! Who does what only one replica may do.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::StoreError;

/// A process that may hold leases; made anew at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseOwner(Uuid);

impl LeaseOwner {
    /// The name that several processes hold a lease in together, each renewing it for all.
    #[must_use]
    pub fn shared() -> Self {
        Self(Uuid::max())
    }

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

    /// Whether others may hold leases too; not where this process is known to be the only one.
    fn is_shared(&self) -> bool {
        true
    }
}

/// The leases of a process that is known to be the only one, by a lock on its files: it holds
/// every one of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SoleProcess;

#[async_trait]
impl Lease for SoleProcess {
    async fn acquire(&self, _: &str, _: LeaseOwner, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _: &str, _: LeaseOwner) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// Takes leases in the name of one process. An actor that is built anew after it died goes on
/// with the leases of the one before it.
#[derive(Clone)]
pub struct ProcessLeases {
    store: Arc<dyn Lease>,
    owner: LeaseOwner,
    /// Until when each lease is held, if it is not renewed.
    held: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl ProcessLeases {
    /// Leases for a new owner.
    #[must_use]
    pub fn new(store: Arc<dyn Lease>) -> Self {
        Self { store, owner: LeaseOwner::generate(), held: Arc::default() }
    }

    /// Whether other processes may hold leases too.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Takes or renews a lease for `ttl`; false while another process holds it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn acquire(&self, name: &str, ttl: Duration) -> Result<bool, StoreError> {
        // From before the question on: the store counts from later.
        let until = Instant::now() + ttl;
        let granted = self.store.acquire(name, self.owner, ttl).await?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if granted {
            held.insert(name.to_owned(), until);
        } else {
            held.remove(name);
        }
        Ok(granted)
    }

    /// The leases that this process holds now, as far as it knows.
    #[must_use]
    pub fn held(&self) -> Vec<String> {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > now);
        held.keys().cloned().collect()
    }

    /// Gives a lease up. One that cannot be given up runs out by itself.
    pub async fn release(&self, name: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Err(error) = self.store.release(name, self.owner).await {
            tracing::debug!(%error, name, "the lease will run out by itself");
        }
    }
}
