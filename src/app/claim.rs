//! Seeing to it that whoever keeps something to itself is the only one.
//!
//! Several replicas need MySQL, MongoDB and NATS. An instance that shares MySQL but keeps documents
//! or events to itself would work beside others as if they were not there. So every instance on a
//! database renews one lease: replicas that share everything all in the same name, one that keeps
//! something to itself in a name of its own.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, interval, sleep},
};
use watchme_actors::ports::{Lease, LeaseOwner, StoreError};

const NAME: &str = "instances";
const TTL: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// A lease that nobody renews has run out by then.
const PATIENCE: Duration = Duration::from_secs(12);

/// Whom an instance bears beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Others that share everything.
    Replicas,
    /// Nobody.
    None,
}

/// An instance's part in the lease. Dropping it ends the renewal.
pub(super) struct Claim {
    lease: Arc<dyn Lease>,
    owner: LeaseOwner,
    company: Company,
    lost: watch::Receiver<bool>,
    renewing: tokio::task::JoinHandle<()>,
}

impl Claim {
    /// Takes part, waiting for what a dead instance has left to run out; `None` when there is
    /// another instance that does not go together with this one.
    pub(super) async fn make(
        lease: Arc<dyn Lease>,
        company: Company,
    ) -> Result<Option<Self>, StoreError> {
        let owner = match company {
            Company::Replicas => LeaseOwner::shared(),
            Company::None => LeaseOwner::generate(),
        };
        let until = Instant::now() + PATIENCE;
        while !lease.acquire(NAME, owner, TTL).await? {
            if Instant::now() >= until {
                return Ok(None);
            }
            sleep(Duration::from_millis(500)).await;
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
        Ok(Some(Self { lease, owner, company, lost, renewing }))
    }

    /// Done when another instance has taken the lease.
    pub(super) async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    /// Ends the part. What replicas share runs out by itself: others may hold it as well.
    pub(super) async fn end(self) {
        self.renewing.abort();
        if self.company == Company::None
            && let Err(error) = self.lease.release(NAME, self.owner).await
        {
            tracing::debug!(%error, "the lease will run out by itself");
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
