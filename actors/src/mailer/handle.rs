//! The way to the MailerActor.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;

use super::{actor::MailerActor, messages::Drain};
use crate::{
    domain::Timestamp,
    ports::{Clock, MailBacklog, MailQueue, Mailer, ProcessLeases, StoreError, TokenLifetimes},
    supervision::{ActorError, ActorRef, ActorSpec},
};

/// What this process has done about mails since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailerStatus {
    /// Mails that were taken.
    pub sent: u64,
    /// Times that a mail was not taken.
    pub failures: u64,
    /// Mails that were too old to be tried any more.
    pub given_up: u64,
    /// Mails that nobody was there (any more) to be written to.
    pub dropped: u64,
    /// Whether the last attempt failed.
    pub failing: bool,
    /// When a mail was last taken.
    pub last_success: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sent: AtomicU64,
    failures: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Last {
    failed: bool,
    success: Option<Timestamp>,
}

impl Counters {
    pub(super) fn sent(&self, now: Timestamp) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        *self.last() = Last { failed: false, success: Some(now) };
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.last().failed = true;
    }

    pub(super) fn gave_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the actor works with.
#[derive(Clone)]
pub struct MailerPorts {
    /// Mails that wait.
    pub queue: Arc<dyn MailQueue>,
    /// Where they go.
    pub mailer: Arc<dyn Mailer>,
    /// Which replica sends.
    pub leases: ProcessLeases,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Watches over the sending of mails. Cheap to clone.
#[derive(Clone)]
pub struct MailerHandle {
    actor: ActorRef<MailerActor>,
    counters: Arc<Counters>,
    queue: Arc<dyn MailQueue>,
}

impl MailerHandle {
    /// Starts the actor on an arbiter.
    pub fn start(arbiter: &ArbiterHandle, ports: MailerPorts, lifetimes: TokenLifetimes) -> Self {
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let queue = Arc::clone(&ports.queue);
        let spec =
            ActorSpec { name: "mailer", max_under_way: 16, deadline: Duration::from_secs(5) };
        let actor = ActorRef::start(arbiter, spec, move |life| {
            MailerActor::new(life, ports.clone(), lifetimes, Arc::clone(&shared))
        });
        Self { actor, counters, queue }
    }

    /// What waits to be sent.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn backlog(&self) -> Result<MailBacklog, StoreError> {
        self.queue.backlog().await
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> MailerStatus {
        let last = *self.counters.last();
        MailerStatus {
            sent: self.counters.sent.load(Ordering::Relaxed),
            failures: self.counters.failures.load(Ordering::Relaxed),
            given_up: self.counters.given_up.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            failing: last.failed,
            last_success: last.success,
        }
    }

    /// Ends sending, with what comes to its end in a moment, and gives the lease up.
    ///
    /// # Errors
    /// [`ActorError`].
    pub(crate) async fn drain(&self) -> Result<(), ActorError> {
        self.actor.call(Drain).await
    }
}

crate::supervision::watched_over!(MailerHandle);
