//! The way to the RelayActor.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;

use super::{actor::RelayActor, messages::Drain};
use crate::{
    ports::{Backlog, Clock, EventBus, Outbox, ProcessLeases, StoreError},
    supervision::{ActorError, ActorRef, ActorSpec},
};

/// What the relay has done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayStatus {
    /// Events that the bus has taken.
    pub published: u64,
    /// Times that the bus did not take an event.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// What the actor works with.
#[derive(Clone)]
pub struct RelayPorts {
    /// Events that wait.
    pub outbox: Arc<dyn Outbox>,
    /// Where they go.
    pub bus: Arc<dyn EventBus>,
    /// Which replica runs.
    pub leases: ProcessLeases,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Watches over the relay. Cheap to clone.
#[derive(Clone)]
pub struct RelayHandle {
    actor: ActorRef<RelayActor>,
    counters: Arc<Counters>,
    outbox: Arc<dyn Outbox>,
}

impl RelayHandle {
    /// Starts the actor on an arbiter.
    pub fn start(arbiter: &ArbiterHandle, ports: RelayPorts) -> Self {
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let outbox = Arc::clone(&ports.outbox);
        let spec = ActorSpec {
            name: "outbox_relay",
            max_under_way: 16,
            deadline: Duration::from_secs(10),
        };
        let actor = ActorRef::start(arbiter, spec, move |life| {
            RelayActor::new(life, ports.clone(), Arc::clone(&shared))
        });
        Self { actor, counters, outbox }
    }

    /// What waits to be published.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.outbox.backlog().await
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> RelayStatus {
        RelayStatus {
            published: self.counters.published.load(Ordering::Relaxed),
            failures: self.counters.failures.load(Ordering::Relaxed),
        }
    }

    /// Ends publishing after the batch in hand and gives the lease up.
    ///
    /// # Errors
    /// [`ActorError`].
    pub(crate) async fn drain(&self) -> Result<(), ActorError> {
        self.actor.call(Drain).await
    }
}

crate::supervision::watched_over!(RelayHandle);
