//! ReportActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use tokio::sync::watch;

use super::{
    fold::Folding,
    messages::{Drain, Reconcile},
    reconcile::Reconciler,
};
use crate::{
    backoff::Backoff,
    domain::PARTITIONS,
    ports::{BusError, Delivery},
    supervision::{LifeLine, guarded, restart_after_panic},
};

/// Deliveries that are asked for at once.
const BATCH: usize = 64;
const RECONCILE_EVERY: Duration = Duration::from_secs(10);

/// Owns the consumers: one loop per partition, so that a user's events are folded in order.
pub(super) struct ReportActor {
    life: LifeLine,
    reconciler: Reconciler,
    /// Each loop holds a receiver: when none is left, all have ended.
    stopping: Arc<watch::Sender<bool>>,
    /// Before work begins again after a restart.
    pause: Duration,
}

impl ReportActor {
    pub(super) fn new(life: LifeLine, reconciler: Reconciler) -> Self {
        Self {
            life,
            reconciler,
            stopping: Arc::new(watch::Sender::new(false)),
            pause: Duration::ZERO,
        }
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        for partition in 0..PARTITIONS {
            self.consume(partition, context);
        }
        context.notify(Reconcile);
    }

    fn consume(&self, partition: u8, context: &mut Context<Self>) {
        let work =
            guarded(consume(self.reconciler.folding.clone(), partition, self.stopping.subscribe()));
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }));
    }
}

/// Folds a partition's events until the bus is closed or the actor stops.
async fn consume(folding: Folding, partition: u8, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        let error = match pull(&folding, partition, &mut stopping, &mut backoff).await {
            Ok(()) | Err(BusError::Closed) => return,
            Err(error) => error,
        };
        tracing::warn!(%error, partition, "the consumer of watch events is set up again");
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(backoff.after_failure()) => {}
        }
    }
}

/// `Ok` when the actor stops, between two deliveries.
async fn pull(
    folding: &Folding,
    partition: u8,
    stopping: &mut watch::Receiver<bool>,
    backoff: &mut Backoff,
) -> Result<(), BusError> {
    let mut consumer = folding.bus.consume(partition).await?;
    loop {
        let deliveries = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            deliveries = consumer.next(BATCH) => deliveries?,
        };
        for Delivery { message, answer } in deliveries {
            if *stopping.borrow() {
                return Ok(());
            }
            // Returning early drops this delivery and those after it: they come again, in order.
            folding
                .take(&message)
                .await
                .map_err(|error| BusError::Unavailable(error.to_string()))?;
            answer.acknowledge().await?;
            backoff.reset();
        }
    }
}

impl Actor for ReportActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_later(self.pause, Self::begin);
    }
}

impl Supervised for ReportActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.pause = self.life.restarted();
    }
}

impl Handler<Reconcile> for ReportActor {
    type Result = ();

    fn handle(&mut self, _: Reconcile, context: &mut Context<Self>) {
        if *self.stopping.borrow() {
            return;
        }
        let reconciler = self.reconciler.clone();
        let work = guarded(async move { reconciler.run().await });
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            match outcome {
                Ok(Ok(0)) => {}
                Ok(Ok(rebuilt)) => {
                    tracing::info!(rebuilt, "reports were reconciled with the marks")
                }
                Ok(Err(error)) => tracing::warn!(%error, "reports could not be reconciled"),
                Err(_panicked) => return restart_after_panic(context),
            }
            context.notify_later(Reconcile, RECONCILE_EVERY);
        }));
    }
}

impl Handler<Drain> for ReportActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        // The loops end between two deliveries; what they had not acknowledged stays in the
        // outbox and comes again after the next start.
        self.stopping.send_replace(true);
        let stopping = Arc::clone(&self.stopping);
        Box::pin(async move { stopping.closed().await })
    }
}

crate::injectable!(ReportActor);
