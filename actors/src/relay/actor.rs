//! RelayActor.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use rand::RngExt;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    LEASE_NAME,
    handle::{Counters, RelayPorts},
    messages::Drain,
};
use crate::{
    backoff::Backoff,
    ports::{BusMessage, OutboxRow, StoreError},
    supervision::{LifeLine, guarded, restart_after_panic},
};

const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Commits of other replicas do not wake this one, and a wake-up may be lost.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// The same where there are other replicas: what they commit is to be folded within a second.
const POLL_FOR_OTHERS: Duration = Duration::from_millis(200);
/// Rounds in a row that the bus refuses before another replica, whose own connection may be
/// whole, gets a chance.
const GIVE_UP_AFTER: u32 = 3;
/// How long the others have to take it. Short: when the bus is away for everybody, this is part of
/// the time that events wait after its return.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(2);
/// Who does not hold the lease asks for it this often.
const ASK_EVERY: Duration = Duration::from_secs(1);
const BATCH: u32 = 1_024;
/// From the beginning of one round to that of the next, at least: what comes meanwhile goes together.
const PACE: Duration = Duration::from_millis(40);
/// How long published events stay in the outbox, to be published again on request.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Owns the lease, and the order in which events leave the outbox.
pub(super) struct RelayActor {
    life: LifeLine,
    relay: Relay,
    /// The loop holds a receiver: when none is left, it has ended.
    stopping: Arc<watch::Sender<bool>>,
    /// Before work begins again after a restart.
    pause: Duration,
}

#[derive(Clone)]
struct Relay {
    ports: RelayPorts,
    counters: Arc<Counters>,
}

impl RelayActor {
    pub(super) fn new(life: LifeLine, ports: RelayPorts, counters: Arc<Counters>) -> Self {
        let relay = Relay { ports, counters };
        Self { life, relay, stopping: Arc::new(watch::Sender::new(false)), pause: Duration::ZERO }
    }
}

impl RelayActor {
    fn begin(&mut self, context: &mut Context<Self>) {
        let work = guarded(self.relay.clone().run(self.stopping.subscribe()));
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }));
    }
}

impl Relay {
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let committed = self.ports.outbox.committed();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let shared = self.ports.leases.are_shared();
        let poll_every = if shared { POLL_FOR_OTHERS } else { POLL_EVERY };
        let mut held_until = None;
        let mut refused = 0;
        let mut purge_at = Instant::now() + PURGE_EVERY;
        while !*stopping.borrow() {
            let began = Instant::now();
            let round = self.round(&mut held_until).await;
            if let Ok(Round::More | Round::Done) = round {
                backoff.reset();
                refused = 0;
            }
            let mut idle = false;
            let next = began + PACE;
            let wait = match round {
                Ok(Round::More) => continue,
                Ok(Round::Done) => {
                    idle = true;
                    poll_every
                }
                Ok(Round::HeldElsewhere) => ASK_EVERY,
                Ok(Round::Refused) => {
                    refused += 1;
                    if shared && refused >= GIVE_UP_AFTER {
                        tracing::warn!("the bus refuses events; relaying is left to others");
                        self.ports.leases.release(LEASE_NAME).await;
                        held_until = None;
                        refused = 0;
                        backoff.reset();
                        LEFT_TO_OTHERS.mul_f64(rand::rng().random_range(0.9..=1.2))
                    } else {
                        backoff.after_failure()
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be relayed");
                    backoff.after_failure()
                }
            };
            if purge_at <= Instant::now() {
                self.purge().await;
                purge_at = Instant::now() + PURGE_EVERY;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // While the bus refuses, more events are no reason to hurry.
                () = woken(&committed, next), if idle => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
        self.ports.leases.release(LEASE_NAME).await;
    }

    async fn round(&self, held_until: &mut Option<Instant>) -> Result<Round, StoreError> {
        let now = Instant::now();
        if held_until.is_none_or(|until| until <= now) {
            if !self.ports.leases.acquire(LEASE_NAME, LEASE).await? {
                *held_until = None;
                return Ok(Round::HeldElsewhere);
            }
            *held_until = Some(now + RENEW_EVERY);
        }
        let rows = self.ports.outbox.unpublished(BATCH).await?;
        let full = rows.len() == BATCH as usize;
        let (ids, messages): (Vec<i64>, Vec<BusMessage>) = rows.into_iter().map(split).unzip();
        if messages.is_empty() {
            return Ok(Round::Done);
        }
        let outcomes = self.ports.bus.publish(messages).await;
        let taken: Vec<i64> = ids
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(id, _)| *id)
            .collect();
        let refused = ids.len() - taken.len();
        self.counters.published.fetch_add(taken.len() as u64, Ordering::Relaxed);
        self.counters.failures.fetch_add(refused as u64, Ordering::Relaxed);
        if !taken.is_empty() {
            self.ports.outbox.mark_published(&taken, self.ports.clock.now()).await?;
        }
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            tracing::warn!(%error, refused, "the bus did not take every event");
            return Ok(Round::Refused);
        }
        Ok(if full { Round::More } else { Round::Done })
    }

    async fn purge(&self) {
        let before = self.ports.clock.now().before(KEEP);
        loop {
            match self.ports.outbox.purge(before).await {
                Ok(0) => return,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(%error, "old events could not be deleted");
                    return;
                }
            }
        }
    }
}

/// Ends when there is something to publish, and it is time to.
async fn woken(committed: &Notify, next: Instant) {
    committed.notified().await;
    sleep_until(next).await;
}

enum Round {
    /// A whole batch was published: there may be more.
    More,
    Done,
    Refused,
    HeldElsewhere,
}

fn split(row: OutboxRow) -> (i64, BusMessage) {
    let OutboxRow { id, event_id, user_id, kind, payload, at, times_published, traceparent } = row;
    let message = BusMessage {
        event_id,
        user_id,
        kind,
        payload,
        at,
        repetition: times_published,
        traceparent,
        unreadable: None,
    };
    (id, message)
}

impl Actor for RelayActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_later(self.pause, Self::begin);
    }
}

impl Supervised for RelayActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.pause = self.life.restarted();
    }
}

impl Handler<Drain> for RelayActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        self.stopping.send_replace(true);
        let stopping = Arc::clone(&self.stopping);
        Box::pin(async move { stopping.closed().await })
    }
}

crate::injectable!(RelayActor);
