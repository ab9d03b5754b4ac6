//! One partition of watch events, consumed only while this process holds its lease.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use rand::RngExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{fold::Folding, together::Together};
use crate::{
    backoff::Backoff,
    domain::UserId,
    ports::{BusError, Delivery, ProcessLeases, traced_if},
};

const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// A renewal that failed is tried again, as long as the lease lasts.
const RENEW_AGAIN: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_secs(3);
/// At the start a process waits this long for each partition that it holds before it takes one
/// more, so that replicas which start together share them.
const SPREAD: Duration = Duration::from_millis(250);
/// Deliveries that are asked for at once.
const BATCH: usize = 64;
/// Users of one batch whose events are folded at the same time.
const AT_ONCE: usize = 8;
/// Failures in a row after which another replica may have more luck.
const GIVE_UP_AFTER: u32 = 5;
/// How long the others have to take what was given up: more than one round of theirs.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(5);

/// The partitions that this process holds. Outlives the actor: a rebuilt one goes on with them.
#[derive(Default)]
pub(super) struct Held {
    partitions: Mutex<BTreeSet<u8>>,
    taking: tokio::sync::Mutex<()>,
}

impl Held {
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u8>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why consuming has ended.
enum Ended {
    /// The actor or the bus stops.
    Stopping,
    /// Another process may hold the lease by now.
    Lost,
    /// The bus or a store fails again and again.
    Failing,
}

/// One of the partitions.
pub(super) struct Partition {
    pub(super) number: u8,
    pub(super) folding: Folding,
    pub(super) leases: ProcessLeases,
    pub(super) held: Arc<Held>,
}

impl Partition {
    /// Takes the lease, folds while it lasts, and begins again, until the bus or the actor stops.
    pub(super) async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut first = true;
        loop {
            let since = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                since = self.take(first) => since,
            };
            first = false;
            let ended = tokio::select! {
                // Whatever is in hand is dropped with the lease: its next holder folds it.
                biased;
                () = self.lost(since) => Ended::Lost,
                ended = self.consume(&mut stopping) => ended,
            };
            match ended {
                Ended::Stopping => break,
                Ended::Lost => self.let_go(),
                Ended::Failing => {
                    self.give_up().await;
                    tokio::select! {
                        _ = stopping.wait_for(|stop| *stop) => break,
                        () = sleep(LEFT_TO_OTHERS.mul_f64(rand::rng().random_range(0.9..=1.2))) => {}
                    }
                }
            }
        }
        // Also where it was just being asked for.
        self.give_up().await;
    }

    fn lease(&self) -> String {
        format!("report-{}", self.number)
    }

    fn let_go(&self) {
        self.held.lock().remove(&self.number);
    }

    async fn give_up(&self) {
        self.let_go();
        self.leases.release(&self.lease()).await;
    }

    /// Asks for the lease until it is given; the moment from which it lasts.
    async fn take(&self, first: bool) -> Instant {
        let mut spread = first && self.leases.are_shared();
        loop {
            let asked = if spread && !self.held.lock().contains(&self.number) {
                let _one_at_a_time = self.held.taking.lock().await;
                let held = u32::try_from(self.held.count()).unwrap_or(u32::MAX);
                sleep(SPREAD.saturating_mul(held)).await;
                self.ask().await
            } else {
                self.ask().await
            };
            if let Some(since) = asked {
                return since;
            }
            // Whoever holds it has had its share: when it is free, nobody needs to hold back.
            spread = false;
            // Replicas that ask for the same ones at the same time would get all or none.
            sleep(ASK_EVERY.mul_f64(rand::rng().random_range(0.7..=1.0))).await;
        }
    }

    async fn ask(&self) -> Option<Instant> {
        let now = Instant::now();
        match self.leases.acquire(&self.lease(), LEASE).await {
            Ok(true) => {
                if self.held.lock().insert(self.number) {
                    tracing::info!(partition = self.number, "folding watch events");
                }
                return Some(now);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, partition = self.number, "the lease could not be asked for");
            }
        }
        self.let_go();
        None
    }

    /// Renews the lease until that fails for good.
    async fn lost(&self, mut since: Instant) {
        let name = self.lease();
        let mut renew_at = since + RENEW_EVERY;
        loop {
            sleep_until(renew_at).await;
            let asked = Instant::now();
            match timeout_at(since + LEASE, self.leases.acquire(&name, LEASE)).await {
                Ok(Ok(true)) => {
                    since = asked;
                    renew_at = asked + RENEW_EVERY;
                    continue;
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, name, "the lease could not be renewed");
                    renew_at = Instant::now() + RENEW_AGAIN;
                    if renew_at < since + LEASE {
                        continue;
                    }
                }
                Err(_elapsed) => {}
            }
            tracing::warn!(name, "the lease is lost; folding goes on elsewhere");
            return;
        }
    }

    /// Folds, setting up the consumer again after a failure.
    async fn consume(&self, stopping: &mut watch::Receiver<bool>) -> Ended {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let error = match self.pull(stopping, &mut backoff).await {
                Ok(()) | Err(BusError::Closed) => return Ended::Stopping,
                Err(error) => error,
            };
            let partition = self.number;
            tracing::warn!(%error, partition, "the consumer of watch events is set up again");
            let wait = backoff.after_failure();
            if backoff.failures() >= GIVE_UP_AFTER && self.leases.are_shared() {
                return Ended::Failing;
            }
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return Ended::Stopping,
                () = sleep(wait) => {}
            }
        }
    }

    /// `Ok` when the actor stops, between two deliveries.
    async fn pull(
        &self,
        stopping: &mut watch::Receiver<bool>,
        backoff: &mut Backoff,
    ) -> Result<(), BusError> {
        let mut consumer = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            consumer = self.folding.bus.consume(self.number) => consumer?,
        };
        loop {
            let deliveries = tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return Ok(()),
                deliveries = consumer.next(BATCH) => deliveries?,
            };
            let stop = &*stopping;
            let Together { folded, left, outcome } =
                self.folding.take_together(by_user(deliveries)).await;
            // Each user's events one after another; who is slow holds up nobody else in the batch.
            let mut outcomes: Vec<(usize, Result<(), BusError>)> = stream::iter(left)
                .map(|deliveries| self.fold_one_user(deliveries, stop))
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            outcomes.push((folded, outcome));
            if outcomes.iter().any(|(folded, _)| *folded > 0) {
                backoff.reset();
            }
            for (_, outcome) in outcomes {
                outcome?;
            }
        }
    }

    /// How many were dealt with. Ending early drops a delivery and those after it: they come
    /// again, in order.
    async fn fold_one_user(
        &self,
        deliveries: Vec<Delivery>,
        stopping: &watch::Receiver<bool>,
    ) -> (usize, Result<(), BusError>) {
        let mut folded = 0;
        for Delivery { message, mut answer } in deliveries {
            if *stopping.borrow() {
                break;
            }
            let place = answer.begun().or(message.traceparent);
            if let Err(error) = traced_if(place, self.folding.take(&message)).await {
                return (folded, Err(BusError::Unavailable(error.to_string())));
            }
            if let Err(error) = answer.acknowledge().await {
                return (folded, Err(error));
            }
            folded += 1;
        }
        (folded, Ok(()))
    }
}

/// Deliveries by user, each user's in their order.
fn by_user(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut users: Vec<(UserId, Vec<Delivery>)> = Vec::new();
    for delivery in deliveries {
        let user = delivery.message.user_id;
        match users.iter_mut().find(|(found, _)| *found == user) {
            Some((_, deliveries)) => deliveries.push(delivery),
            None => users.push((user, vec![delivery])),
        }
    }
    users.into_iter().map(|(_, deliveries)| deliveries).collect()
}
