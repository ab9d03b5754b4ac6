//! Seeing to it that whoever keeps something to itself is the only one.
//!
//! Several replicas need MySQL, MongoDB and NATS. An instance that shares MySQL but keeps
//! documents or events to itself would work beside others as if they were not there; it holds a
//! lease that keeps every other instance from starting.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, interval, sleep},
};
use watchme_actors::ports::{Lease, LeaseOwner, StoreError};

const NAME: &str = "sole-instance";
const RELAY: &str = watchme_actors::relay::LEASE_NAME;
const TTL: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// A lease that nobody renews has run out by then.
const PATIENCE: Duration = Duration::from_secs(12);

/// The lease of the only instance. Dropping it stops the renewal; [`Self::release`] gives it up.
pub(super) struct Alone {
    lease: Arc<dyn Lease>,
    owner: LeaseOwner,
    lost: watch::Receiver<bool>,
    renewing: tokio::task::JoinHandle<()>,
}

/// Waits until nobody else claims to be the only one; false when somebody still does.
pub(super) async fn nobody_is_alone(lease: &dyn Lease) -> Result<bool, StoreError> {
    is_free(lease, NAME).await
}

/// Waits until nobody holds a lease; false when somebody still does.
async fn is_free(lease: &dyn Lease, name: &str) -> Result<bool, StoreError> {
    let owner = LeaseOwner::generate();
    let free = acquire(lease, name, owner).await?;
    if free {
        lease.release(name, owner).await?;
    }
    Ok(free)
}

async fn acquire(lease: &dyn Lease, name: &str, owner: LeaseOwner) -> Result<bool, StoreError> {
    let until = Instant::now() + PATIENCE;
    loop {
        if lease.acquire(name, owner, TTL).await? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

impl Alone {
    /// Claims to be the only instance; `None` when another one does.
    pub(super) async fn claim(lease: Arc<dyn Lease>) -> Result<Option<Self>, StoreError> {
        let owner = LeaseOwner::generate();
        if !acquire(&*lease, NAME, owner).await? {
            return Ok(None);
        }
        // Replicas that share everything do not claim it; one of them holds the relay's lease.
        if !is_free(&*lease, RELAY).await? {
            lease.release(NAME, owner).await?;
            return Ok(None);
        }
        let (tell, lost) = watch::channel(false);
        let renewed = Arc::clone(&lease);
        let renewing = tokio::spawn(async move {
            let mut ticks = interval(RENEW_EVERY);
            loop {
                ticks.tick().await;
                // While SQL is away nobody else can take it either.
                if let Ok(false) = renewed.acquire(NAME, owner, TTL).await {
                    tell.send_replace(true);
                    return;
                }
            }
        });
        Ok(Some(Self { lease, owner, lost, renewing }))
    }

    /// Done when another instance has taken the lease.
    pub(super) async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    pub(super) async fn release(self) {
        self.renewing.abort();
        if let Err(error) = self.lease.release(NAME, self.owner).await {
            tracing::debug!(%error, "the lease will run out by itself");
        }
    }
}
