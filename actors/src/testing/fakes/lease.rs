//! Leases in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::ports::{Lease, LeaseOwner, StoreError};

/// Leases on tokio's clock, so that `tokio::time::advance` lets them run out; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryLease(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Holder>,
    failing: bool,
}

#[derive(Debug, Clone, Copy)]
enum Holder {
    Owner(LeaseOwner, Instant),
    /// Somebody outside the test, until the lease is given back.
    Stranger,
}

impl MemoryLease {
    /// Nobody holds anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody else takes the lease, whoever had it, and keeps it.
    pub fn seize(&self, name: &str) {
        self.lock().held.insert(name.to_owned(), Holder::Stranger);
    }

    /// Nobody holds the lease any more.
    pub fn give_back(&self, name: &str) {
        self.lock().held.remove(name);
    }

    /// From now on every call fails with `Unavailable`, or does not any more.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// Who holds the lease now, if it is not somebody outside.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<LeaseOwner> {
        match self.lock().held.get(name) {
            Some(Holder::Owner(owner, until)) if Instant::now() < *until => Some(*owner),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this lock")
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        if state.failing {
            let reason = "told to fail".to_owned();
            return Err(StoreError::Unavailable { store: "sql", reason });
        }
        Ok(state)
    }
}

#[async_trait]
impl Lease for MemoryLease {
    async fn acquire(
        &self,
        name: &str,
        owner: LeaseOwner,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut state = self.state()?;
        let now = Instant::now();
        let free = match state.held.get(name) {
            None => true,
            Some(Holder::Owner(holder, until)) => *holder == owner || *until <= now,
            Some(Holder::Stranger) => false,
        };
        if free {
            state.held.insert(name.to_owned(), Holder::Owner(owner, now + ttl));
        }
        Ok(free)
    }

    async fn release(&self, name: &str, owner: LeaseOwner) -> Result<(), StoreError> {
        let mut state = self.state()?;
        if matches!(state.held.get(name), Some(Holder::Owner(holder, _)) if *holder == owner) {
            state.held.remove(name);
        }
        Ok(())
    }
}
