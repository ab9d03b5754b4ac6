//! The way to the HousekeepingActor.

use std::{sync::Arc, time::Duration};

use actix::ArbiterHandle;

use super::actor::HousekeepingActor;
use crate::{
    ports::{Clock, Housekeeping, ProcessLeases, Swept},
    published::Published,
    supervision::{ActorRef, ActorSpec},
};

/// What the operator sets.
#[derive(Debug, Clone, Copy)]
pub struct HousekeepingSettings {
    /// For how long the audit log is kept.
    pub audit_retention: Duration,
}

/// What the actor works with.
#[derive(Clone)]
pub struct HousekeepingPorts {
    /// What expires.
    pub store: Arc<dyn Housekeeping>,
    /// Which replica deletes it.
    pub leases: ProcessLeases,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What has been done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HousekeepingStatus {
    /// What this replica has deleted.
    pub swept: Swept,
    /// Sweeps that the store failed.
    pub failures: u64,
}

/// Watches over the housekeeping. Cheap to clone.
#[derive(Clone)]
pub struct HousekeepingHandle {
    actor: ActorRef<HousekeepingActor>,
    status: Arc<Published<HousekeepingStatus>>,
}

impl HousekeepingHandle {
    /// Starts the actor on an arbiter.
    pub fn start(
        arbiter: &ArbiterHandle,
        ports: HousekeepingPorts,
        settings: HousekeepingSettings,
    ) -> Self {
        let status = Arc::new(Published::new(HousekeepingStatus::default()));
        let shared = Arc::clone(&status);
        let spec =
            ActorSpec { name: "housekeeping", max_under_way: 4, deadline: Duration::from_secs(5) };
        let actor = ActorRef::start(arbiter, spec, move |life| {
            HousekeepingActor::new(life, ports.clone(), settings, Arc::clone(&shared))
        });
        Self { actor, status }
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> HousekeepingStatus {
        *self.status.get()
    }
}

crate::supervision::watched_over!(HousekeepingHandle);
