//! MailerActor.

use std::{error::Error, sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{
    LEASE_NAME,
    handle::{Counters, MailerPorts},
    messages::Drain,
};
use crate::{
    backoff::Backoff,
    ports::{QueuedMail, StoreError, TokenLifetimes},
    supervision::{LifeLine, guarded, restart_after_panic},
};

/// Longer than a whole round takes, which is a mailer's 10 s and a few calls to the store.
const LEASE: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Commits of other replicas do not wake this one, and what was put off is looked for.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Who does not hold the lease asks for it this often.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Mails that are sent side by side: one that is slow holds up a round.
const AT_ONCE: u32 = 8;
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// A mail that is older is not worth sending any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// For the mails in hand when the service stops. Those that are cut off come again.
const LAST_ROUND: Duration = Duration::from_secs(3);

/// Owns the lease and the pace at which mails leave the queue.
pub(super) struct MailerActor {
    life: LifeLine,
    work: Work,
    /// The loop holds a receiver: when none is left, it has ended.
    stopping: Arc<watch::Sender<bool>>,
    /// Before work begins again after a restart.
    pause: Duration,
}

#[derive(Clone)]
struct Work {
    ports: MailerPorts,
    lifetimes: TokenLifetimes,
    counters: Arc<Counters>,
}

impl MailerActor {
    pub(super) fn new(
        life: LifeLine,
        ports: MailerPorts,
        lifetimes: TokenLifetimes,
        counters: Arc<Counters>,
    ) -> Self {
        let work = Work { ports, lifetimes, counters };
        Self { life, work, stopping: Arc::new(watch::Sender::new(false)), pause: Duration::ZERO }
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        let work = guarded(self.work.clone().run(self.stopping.subscribe()));
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }));
    }
}

impl Work {
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let queued = self.ports.queue.queued();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let mut held_until = None;
        while !*stopping.borrow() {
            let round = tokio::select! {
                round = self.round(&mut held_until) => round,
                () = time_is_up(&mut stopping) => break,
            };
            let wait = match round {
                Ok(round) => {
                    backoff.reset();
                    match round {
                        Round::More => continue,
                        Round::Done => POLL_EVERY,
                        Round::HeldElsewhere => ASK_EVERY,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue of mails could not be worked on");
                    backoff.after_failure()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = queued.notified(), if wait == POLL_EVERY => {}
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
        let due = self.ports.queue.due(AT_ONCE, self.ports.clock.now()).await?;
        let full = due.len() == AT_ONCE as usize;
        for outcome in join_all(due.into_iter().map(|mail| self.deliver(mail))).await {
            outcome?;
        }
        Ok(if full { Round::More } else { Round::Done })
    }

    async fn deliver(&self, queued: QueuedMail) -> Result<(), StoreError> {
        let MailerPorts { queue, mailer, clock, .. } = &self.ports;
        let now = clock.now();
        if now.since(queued.queued_at) >= GIVE_UP_AFTER {
            tracing::warn!(attempts = queued.attempts, "a mail was given up");
            self.counters.gave_up();
            return queue.remove(queued.id).await;
        }
        let mail = match queue.prepare(queued.id, self.lifetimes, now).await {
            Ok(Some(mail)) => mail,
            Ok(None) => {
                self.counters.dropped();
                return Ok(());
            }
            // It is this mail's own trouble: the others are not to wait for it.
            Err(error @ StoreError::Corrupt { .. }) => return self.put_off(queued, &error).await,
            Err(error) => return Err(error),
        };
        match mailer.send(&mail).await {
            Ok(()) => {
                self.counters.sent(clock.now());
                queue.remove(queued.id).await
            }
            Err(error) => self.put_off(queued, &error).await,
        }
    }

    async fn put_off(&self, queued: QueuedMail, error: &dyn Error) -> Result<(), StoreError> {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY).resumed(queued.attempts);
        let wait = backoff.after_failure();
        tracing::warn!(%error, attempts = queued.attempts + 1, ?wait, "a mail was not sent");
        self.counters.failed();
        self.ports.queue.put_off(queued.id, self.ports.clock.now().after(wait)).await
    }
}

/// Done a moment after the service began to stop.
async fn time_is_up(stopping: &mut watch::Receiver<bool>) {
    // Without a sender there is nobody to wait for.
    let _ = stopping.wait_for(|stop| *stop).await;
    tokio::time::sleep(LAST_ROUND).await;
}

enum Round {
    /// As many as fit were due: there may be more.
    More,
    Done,
    HeldElsewhere,
}

impl Actor for MailerActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_later(self.pause, Self::begin);
    }
}

impl Supervised for MailerActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.pause = self.life.restarted();
    }
}

impl Handler<Drain> for MailerActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        self.stopping.send_replace(true);
        let stopping = Arc::clone(&self.stopping);
        Box::pin(async move { stopping.closed().await })
    }
}

crate::injectable!(MailerActor);
