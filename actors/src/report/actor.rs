//! ReportActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use tokio::sync::watch;

use super::{
    messages::{Drain, Reconcile},
    partition::{Held, Partition},
    reconcile::Reconciler,
};
use crate::{
    domain::PARTITIONS,
    supervision::{LifeLine, guarded, restart_after_panic},
};

const RECONCILE_EVERY: Duration = Duration::from_secs(10);

/// Owns the consumers: one loop per partition, so that a user's events are folded in order.
pub(super) struct ReportActor {
    life: LifeLine,
    reconciler: Reconciler,
    held: Arc<Held>,
    /// Each loop holds a receiver: when none is left, all have ended.
    stopping: Arc<watch::Sender<bool>>,
    /// Before work begins again after a restart.
    pause: Duration,
}

impl ReportActor {
    pub(super) fn new(life: LifeLine, reconciler: Reconciler, held: Arc<Held>) -> Self {
        Self {
            life,
            reconciler,
            held,
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
        let partition = Partition {
            number: partition,
            folding: self.reconciler.folding.clone(),
            leases: self.reconciler.leases.clone(),
            held: Arc::clone(&self.held),
        };
        let work = guarded(partition.run(self.stopping.subscribe()));
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }));
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
        // The loops end between two deliveries and give their leases up; what they had not
        // acknowledged comes again, to whoever takes them.
        self.stopping.send_replace(true);
        let stopping = Arc::clone(&self.stopping);
        Box::pin(async move { stopping.closed().await })
    }
}

crate::injectable!(ReportActor);
