//! CatalogueSyncActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, Supervised, WrapFuture,
};

use super::{
    handle::{CatalogueSyncPorts, CatalogueSyncSettings},
    messages::{CatalogueProgress, CatalogueState, Tick},
    pass::{Backlog, Interrupted, LEASE, NAME, Pass},
    retention,
};
use crate::{
    backoff::Backoff,
    published::Published,
    supervision::{LifeLine, guarded, restart_after_panic},
};

/// From the end of one pass to the next.
const REFRESH_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Owns the timer, the lease, and the pages that are still to be fetched.
pub(super) struct CatalogueSyncActor {
    life: LifeLine,
    pass: Pass,
    backoff: Backoff,
    timer: Option<SpawnHandle>,
}

impl CatalogueSyncActor {
    pub(super) fn new(
        life: LifeLine,
        ports: CatalogueSyncPorts,
        settings: CatalogueSyncSettings,
        backlog: Backlog,
        progress: Arc<Published<CatalogueProgress>>,
    ) -> Self {
        let pass = Pass { ports, settings, backlog, progress };
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        Self { life, pass, backoff, timer: None }
    }

    fn schedule(&mut self, wait: Duration, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        self.timer = Some(context.notify_later(Tick, wait));
    }

    /// Reads when the last pass ended, and sets the first tick.
    fn load(&mut self, context: &mut Context<Self>) {
        let ports = self.pass.ports.clone();
        let work = guarded(async move {
            let record = ports.sync_log.sync_record(NAME).await?;
            let stored = ports.catalogue.count().await?;
            // A service that was off for months must not serve what it may not keep.
            let expired = if stored > 0 { retention::delete_expired(&ports).await? } else { 0 };
            Ok::<_, crate::ports::StoreError>((record, stored.saturating_sub(expired as u64)))
        });
        context.spawn(work.into_actor(self).map(|outcome, actor, context| match outcome {
            Ok(Ok((record, stored))) => {
                let unfinished = stored == 0 || actor.pass.has_backlog();
                let due = record
                    .last_success
                    .filter(|_| !unfinished)
                    .map(|last| last.after(REFRESH_EVERY).since(actor.pass.ports.clock.now()));
                let state = match due {
                    Some(wait) if !wait.is_zero() => CatalogueState::Ready,
                    _ => CatalogueState::Syncing,
                };
                actor.pass.progress.set(CatalogueProgress {
                    record,
                    state,
                    ..*actor.pass.progress.get()
                });
                actor.schedule(due.unwrap_or_default(), context);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the state of the catalogue could not be read");
                let wait = actor.backoff.after_failure();
                context.run_later(wait, Self::load);
            }
            Err(_panicked) => restart_after_panic(context),
        }));
    }
}

impl Actor for CatalogueSyncActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.load(context);
    }
}

impl Supervised for CatalogueSyncActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.timer = None;
        self.life.restarted();
    }
}

impl Handler<Tick> for CatalogueSyncActor {
    type Result = ();

    fn handle(&mut self, _: Tick, context: &mut Context<Self>) {
        self.timer = None;
        let work = guarded(self.pass.clone().run());
        context.spawn(work.into_actor(self).map(|outcome, actor, context| {
            let wait = match outcome {
                Ok(Ok(())) => {
                    actor.backoff.reset();
                    REFRESH_EVERY
                }
                // The replica that has the lease fills the catalogue for all.
                Ok(Err(Interrupted::HeldElsewhere)) => LEASE,
                Ok(Err(Interrupted::Store(error))) => {
                    tracing::warn!(%error, "the catalogue could not be synchronised");
                    let progress = *actor.pass.progress.get();
                    actor
                        .pass
                        .progress
                        .set(CatalogueProgress { state: CatalogueState::Failed, ..progress });
                    actor.backoff.after_failure()
                }
                Err(_panicked) => return restart_after_panic(context),
            };
            actor.schedule(wait, context);
        }));
    }
}

crate::injectable!(CatalogueSyncActor);
