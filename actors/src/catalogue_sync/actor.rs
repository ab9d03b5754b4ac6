//! CatalogueSyncActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, Supervised, WrapFuture,
};

use super::{
    handle::{CatalogueSyncPorts, CatalogueSyncSettings},
    messages::{CatalogueProgress, CatalogueState, Expire, Tick},
    pass::{Backlog, Interrupted, LEASE, NAME, Pass},
    retention,
};
use crate::{
    backoff::Backoff,
    ports::StoreError,
    published::Published,
    supervision::{LifeLine, guarded, restart_after_panic},
};

/// When deleting what may not be kept is tried again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(60);
/// From the end of one pass to the next.
const REFRESH_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Owns the timer, the lease, and the pages that are still to be fetched.
pub(super) struct CatalogueSyncActor {
    life: LifeLine,
    pass: Pass,
    backoff: Backoff,
    /// For a store that fails before a first pass came to its end.
    without_catalogue: Backoff,
    timer: Option<SpawnHandle>,
    /// Before work begins again after a restart.
    pause: Duration,
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
        let without_catalogue = Backoff::new(Duration::from_millis(500), Duration::from_secs(1));
        Self { life, pass, backoff, without_catalogue, timer: None, pause: Duration::ZERO }
    }

    fn schedule(&mut self, wait: Duration, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        self.timer = Some(context.notify_later(Tick, wait));
    }

    fn show_failure(&self) {
        let progress = *self.pass.progress.get();
        self.pass.progress.set(CatalogueProgress { state: CatalogueState::Failed, ..progress });
    }

    /// Nobody is to wait for long when a store is back and nothing has been loaded yet.
    fn after_store_failure(&mut self) -> Duration {
        if self.pass.progress.get().record.last_success.is_none() {
            self.without_catalogue.after_failure()
        } else {
            self.backoff.after_failure()
        }
    }

    /// Reads when the last pass ended, and sets the first tick.
    fn load(&mut self, context: &mut Context<Self>) {
        let ports = self.pass.ports.clone();
        let work = guarded(async move {
            let record = ports.sync_log.sync_record(NAME).await?;
            Ok::<_, StoreError>((record, ports.catalogue.count().await?))
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
                let wait = actor.after_store_failure();
                context.run_later(wait, Self::load);
            }
            Err(_panicked) => restart_after_panic(context),
        }));
    }
}

impl Actor for CatalogueSyncActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        // A service that was off for months must not serve what it may not keep.
        context.notify(Expire);
        context.run_later(self.pause, Self::load);
    }
}

impl Supervised for CatalogueSyncActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.timer = None;
        self.pause = self.life.restarted();
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
                Ok(Err(Interrupted::Unreadable)) => {
                    tracing::warn!("not one page of the catalogue could be read");
                    actor.show_failure();
                    actor.backoff.after_failure()
                }
                Ok(Err(Interrupted::Store(error))) => {
                    tracing::warn!(%error, "the catalogue could not be synchronised");
                    actor.show_failure();
                    match error {
                        StoreError::Unavailable { .. } | StoreError::Busy { .. } => {
                            actor.after_store_failure()
                        }
                        // A whole pass may have led to it: that is not done every second.
                        StoreError::Corrupt { .. } => actor.backoff.after_failure(),
                    }
                }
                Err(_panicked) => return restart_after_panic(context),
            };
            actor.schedule(wait, context);
        }));
    }
}

impl Handler<Expire> for CatalogueSyncActor {
    type Result = ();

    fn handle(&mut self, _: Expire, context: &mut Context<Self>) {
        let ports = self.pass.ports.clone();
        let work = guarded(async move { retention::delete_expired(&ports).await });
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            let wait = match outcome {
                Ok(Ok(0)) => REFRESH_EVERY,
                Ok(Ok(deleted)) => {
                    tracing::info!(deleted, "movies were deleted that may not be kept any longer");
                    REFRESH_EVERY
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "movies that may not be kept could not be deleted");
                    EXPIRE_AGAIN
                }
                Err(_panicked) => return restart_after_panic(context),
            };
            context.notify_later(Expire, wait);
        }));
    }
}

crate::injectable!(CatalogueSyncActor);
