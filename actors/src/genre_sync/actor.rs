//! GenreSyncActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, ResponseFuture,
    SpawnHandle, Supervised, WrapFuture,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{
    handle::{GenreSyncPorts, GenreSyncSettings},
    messages::{GenreSyncError, GenreSyncStatus, Reload, SyncNow, Tick},
};
use crate::{
    backoff::Backoff,
    domain::GenreList,
    ports::{Change, StoreError, SyncRecord},
    published::Published,
    supervision::{ActorError, LifeLine, guarded, restart_after_panic},
};

const NAME: &str = "genre-sync";
/// Long enough for a run with all its retries; a replica that dies in one frees it by then.
const LEASE: Duration = Duration::from_secs(120);

/// The longest wait between two looks into the store while there is no list.
const WITHOUT_LIST: Duration = Duration::from_secs(1);

type Run = Result<(), GenreSyncError>;

/// Owns the timer, the lease and the published list.
pub(super) struct GenreSyncActor {
    life: LifeLine,
    ports: GenreSyncPorts,
    settings: GenreSyncSettings,
    list: Arc<Published<GenreList>>,
    status: Arc<Published<GenreSyncStatus>>,
    run: Option<Shared<BoxFuture<'static, Run>>>,
    timer: Option<SpawnHandle>,
    backoff: Backoff,
    /// For a store that fails while there is no list, so that nobody waits for long when it is
    /// back.
    without_list: Backoff,
    /// Before work begins again after a restart.
    pause: Duration,
}

impl GenreSyncActor {
    pub(super) fn new(
        life: LifeLine,
        ports: GenreSyncPorts,
        settings: GenreSyncSettings,
        list: Arc<Published<GenreList>>,
        status: Arc<Published<GenreSyncStatus>>,
    ) -> Self {
        Self {
            life,
            ports,
            settings,
            list,
            status,
            run: None,
            timer: None,
            backoff: Backoff::new(Duration::from_secs(5), settings.interval),
            without_list: Backoff::new(Duration::from_millis(500), WITHOUT_LIST),
            pause: Duration::ZERO,
        }
    }

    fn cancel_timer(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
    }

    fn load_later(&mut self, wait: Duration, context: &mut Context<Self>) {
        self.cancel_timer(context);
        self.timer = Some(context.run_later(wait, Self::load));
    }

    fn after_store_failure(&mut self) -> Duration {
        if self.list.get().is_empty() {
            self.without_list.after_failure()
        } else {
            self.backoff.after_failure()
        }
    }

    fn schedule(&mut self, wait: Duration, context: &mut Context<Self>) {
        self.cancel_timer(context);
        // One tick is set after each completion: `run_interval` would fire first after a whole
        // period and replay what it missed in a burst.
        self.timer = Some(context.notify_later(Tick, wait));
    }

    /// Reads what is stored, publishes it, and sets the first tick.
    fn load(&mut self, context: &mut Context<Self>) {
        let ports = self.ports.clone();
        let work = async move {
            let list = ports.store.genres().await?;
            Ok::<_, StoreError>((list, ports.sync_log.sync_record(NAME).await?))
        };
        context.spawn(guarded(work).into_actor(self).map(
            |outcome, actor, context| match outcome {
                Ok(Ok((list, record))) => {
                    let due = record
                        .last_success
                        .filter(|_| !list.is_empty())
                        .map_or(Duration::ZERO, |last| {
                            last.after(actor.settings.interval).since(actor.ports.clock.now())
                        });
                    actor.list.set(list);
                    actor.status.set(GenreSyncStatus { record, ..(*actor.status.get()).clone() });
                    actor.schedule(due, context);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the stored genres could not be read");
                    let wait = actor.after_store_failure();
                    actor.load_later(wait, context);
                }
                Err(_panicked) => restart_after_panic(context),
            },
        ));
    }

    fn start_run(&mut self, context: &mut Context<Self>) -> Shared<BoxFuture<'static, Run>> {
        if let Some(run) = &self.run {
            return run.clone();
        }
        let work = guarded(synchronise(
            self.ports.clone(),
            Arc::clone(&self.list),
            Arc::clone(&self.status),
        ));
        let run = work.map(|outcome| outcome.unwrap_or(Err(ActorError::Restarting.into())));
        let run = run.boxed().shared();
        self.run = Some(run.clone());
        self.status.set(GenreSyncStatus { running: true, ..(*self.status.get()).clone() });
        context.spawn(run.clone().into_actor(self).map(|outcome, actor, context| {
            actor.finished(&outcome, context);
        }));
        run
    }

    fn finished(&mut self, outcome: &Run, context: &mut Context<Self>) {
        self.run = None;
        let mut status = GenreSyncStatus { running: false, ..(*self.status.get()).clone() };
        let wait = match outcome {
            Ok(()) => {
                self.backoff.reset();
                status.last_error = None;
                self.settings.interval
            }
            // The other replica announces what it changes; look again after its lease.
            Err(GenreSyncError::HeldElsewhere) => LEASE,
            Err(error @ GenreSyncError::Store(_)) => {
                tracing::warn!(%error, "the genres could not be stored; the old list stays");
                status.last_error = Some(error.to_string());
                status.failures += 1;
                self.after_store_failure()
            }
            Err(error) => {
                tracing::warn!(%error, "the genres could not be synchronised; the old list stays");
                status.last_error = Some(error.to_string());
                status.failures += 1;
                self.backoff.after_failure()
            }
        };
        self.status.set(status);
        if matches!(outcome, Err(GenreSyncError::Actor(_))) {
            restart_after_panic(context);
        } else if matches!(outcome, Err(GenreSyncError::HeldElsewhere))
            && self.list.get().is_empty()
        {
            // What it announces may not arrive.
            self.load_later(WITHOUT_LIST, context);
        } else {
            self.schedule(wait, context);
        }
    }
}

/// One run: fetch, compare, store what differs, publish.
async fn synchronise(
    ports: GenreSyncPorts,
    list: Arc<Published<GenreList>>,
    status: Arc<Published<GenreSyncStatus>>,
) -> Run {
    if !ports.leases.acquire(NAME, LEASE).await? {
        return Err(GenreSyncError::HeldElsewhere);
    }
    let outcome = compare_and_store(&ports, &list, &status).await;
    ports.leases.release(NAME).await;
    outcome
}

async fn compare_and_store(
    ports: &GenreSyncPorts,
    list: &Published<GenreList>,
    status: &Published<GenreSyncStatus>,
) -> Run {
    let record = ports.sync_log.sync_record(NAME).await?;
    let outcome = async {
        let source = ports.tmdb.genres().await?;
        let stored = ports.store.genres().await?;
        let changes = stored.changes_to_match(&source, ports.clock.now());
        if !changes.is_empty() {
            ports.store.save_genres(&changes).await?;
        }
        Ok::<_, GenreSyncError>(changes.len())
    }
    .await;
    let now = ports.clock.now();
    let record = match &outcome {
        Ok(changed) => SyncRecord { last_success: Some(now), changed: *changed as u64, ..record },
        Err(_) => SyncRecord { last_failure: Some(now), ..record },
    };
    let saved = ports.sync_log.save_sync_record(NAME, &record).await;
    if saved.is_ok() {
        status.set(GenreSyncStatus { record, ..(*status.get()).clone() });
    }
    // What failed first decides when it is tried again.
    let changed = outcome?;
    saved?;
    list.set(ports.store.genres().await?);
    tracing::info!(changed, genres = list.get().iter().len(), "the genres were synchronised");
    if changed > 0 {
        ports.changes.announce(Change::Genres).await;
    }
    Ok(())
}

impl Actor for GenreSyncActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_later(self.pause, Self::load);
    }
}

impl Supervised for GenreSyncActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.run = None;
        self.timer = None;
        self.status.set(GenreSyncStatus { running: false, ..(*self.status.get()).clone() });
        self.pause = self.life.restarted();
    }
}

impl Handler<Tick> for GenreSyncActor {
    type Result = ();

    fn handle(&mut self, _: Tick, context: &mut Context<Self>) {
        self.timer = None;
        // The run is spawned on the context; nobody waits for this one.
        drop(self.start_run(context));
    }
}

impl Handler<SyncNow> for GenreSyncActor {
    type Result = ResponseFuture<Run>;

    fn handle(&mut self, _: SyncNow, context: &mut Context<Self>) -> Self::Result {
        Box::pin(self.start_run(context))
    }
}

impl Handler<Reload> for GenreSyncActor {
    type Result = ResponseActFuture<Self, Run>;

    fn handle(&mut self, _: Reload, _: &mut Context<Self>) -> Self::Result {
        let store = Arc::clone(&self.ports.store);
        let work = guarded(async move { store.genres().await });
        Box::pin(work.into_actor(self).map(|outcome, actor, context| match outcome {
            Ok(list) => {
                actor.list.set(list?);
                Ok(())
            }
            Err(_panicked) => {
                restart_after_panic(context);
                Err(ActorError::Restarting.into())
            }
        }))
    }
}

crate::injectable!(GenreSyncActor);
