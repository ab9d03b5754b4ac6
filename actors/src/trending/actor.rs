//! TrendingActor.

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, Supervised,
    WrapFuture,
};

use super::{
    films::TrendingFilms,
    handle::TrendingPorts,
    messages::{Drain, Flush, Purge, Refresh, RefreshNow, TrendingError},
    tally::Tally,
};
use crate::{
    domain::Hour,
    ports::StoreError,
    published::Published,
    supervision::{ActorError, LifeLine, Panicked, guarded, restart_after_panic},
};

const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// With the flush before it: every replica shows the same within a minute.
const REFRESH_EVERY: Duration = Duration::from_secs(20);
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// A day more than the longest window.
const KEEP_HOURS: u32 = 8 * 24;
const PURGE_NAME: &str = "trending-purge";
const PURGE_LEASE: Duration = Duration::from_secs(60);
/// Scores that are stored at once.
const BATCH: usize = 500;
/// When listening for views is begun again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Owns the timers, and what is published.
pub(super) struct TrendingActor {
    life: LifeLine,
    work: Work,
    /// Before work begins again after a restart.
    pause: Duration,
}

#[derive(Clone)]
pub(super) struct Work {
    pub(super) ports: TrendingPorts,
    pub(super) tally: Tally,
    pub(super) films: Arc<Published<TrendingFilms>>,
}

impl Work {
    /// Counts views, those of this replica and, where views are shared out, of others.
    async fn listen(self) {
        loop {
            let mut views = self.ports.views.subscribe().await;
            while let Some(movie) = views.recv().await {
                self.tally.viewed(movie, self.ports.clock.now());
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Stores what was counted. What cannot be stored is kept for the next time.
    async fn flush(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for (hour, scores) in self.tally.take() {
            for batch in scores.chunks(BATCH) {
                if outcome.is_ok() {
                    outcome = self.ports.store.add_scores(hour, batch).await;
                }
                if outcome.is_err() {
                    batch.iter().for_each(|(movie, score)| self.tally.add(hour, *movie, *score));
                }
            }
        }
        outcome
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let TrendingPorts { store, catalogue, clock, .. } = &self.ports;
        self.films.set(TrendingFilms::read(&**store, &**catalogue, clock.now()).await?);
        Ok(())
    }

    async fn purge(&self) -> Result<(), StoreError> {
        if !self.ports.leases.acquire(PURGE_NAME, PURGE_LEASE).await? {
            return Ok(());
        }
        let before = Hour::of(self.ports.clock.now()).before(KEEP_HOURS);
        let outcome = self.ports.store.purge_scores(before).await;
        self.ports.leases.release(PURGE_NAME).await;
        outcome
    }
}

impl TrendingActor {
    pub(super) fn new(life: LifeLine, work: Work) -> Self {
        Self { life, work, pause: Duration::ZERO }
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        let listening = guarded(self.work.clone().listen());
        context.spawn(listening.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }));
        context.notify(Refresh);
        context.notify_later(Flush, FLUSH_EVERY);
        context.notify_later(Purge, PURGE_EVERY);
    }

    /// Does something by itself, and again after a while.
    fn by_itself<M>(
        &self,
        context: &mut Context<Self>,
        work: impl Future<Output = Result<(), StoreError>> + 'static,
        what: &'static str,
        again: (M, Duration),
    ) where
        M: actix::Message + Send + 'static,
        M::Result: Send,
        Self: Handler<M>,
    {
        context.spawn(guarded(work).into_actor(self).map(move |outcome, _, context| {
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "{what}"),
                Err(_panicked) => return restart_after_panic(context),
            }
            context.notify_later(again.0, again.1);
        }));
    }
}

impl Actor for TrendingActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_later(self.pause, Self::begin);
    }
}

impl Supervised for TrendingActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.pause = self.life.restarted();
    }
}

impl Handler<Flush> for TrendingActor {
    type Result = ();

    fn handle(&mut self, _: Flush, context: &mut Context<Self>) {
        let work = self.work.clone();
        let work = async move { work.flush().await };
        self.by_itself(context, work, "scores could not be stored", (Flush, FLUSH_EVERY));
    }
}

impl Handler<Refresh> for TrendingActor {
    type Result = ();

    fn handle(&mut self, _: Refresh, context: &mut Context<Self>) {
        let work = self.work.clone();
        let work = async move { work.refresh().await };
        let what = "the trending films could not be read; those that were read last stay";
        self.by_itself(context, work, what, (Refresh, REFRESH_EVERY));
    }
}

impl Handler<Purge> for TrendingActor {
    type Result = ();

    fn handle(&mut self, _: Purge, context: &mut Context<Self>) {
        let work = self.work.clone();
        let work = async move { work.purge().await };
        self.by_itself(context, work, "old scores could not be deleted", (Purge, PURGE_EVERY));
    }
}

type Answer = Result<(), TrendingError>;

fn answer(
    outcome: Result<Result<(), StoreError>, Panicked>,
    context: &mut Context<TrendingActor>,
) -> Answer {
    match outcome {
        Ok(outcome) => Ok(outcome?),
        Err(Panicked) => {
            restart_after_panic(context);
            Err(ActorError::Restarting.into())
        }
    }
}

impl Handler<RefreshNow> for TrendingActor {
    type Result = ResponseActFuture<Self, Answer>;

    fn handle(&mut self, _: RefreshNow, _: &mut Context<Self>) -> Self::Result {
        let work = self.work.clone();
        let work = guarded(async move {
            work.flush().await?;
            work.refresh().await
        });
        Box::pin(work.into_actor(self).map(|outcome, _, context| answer(outcome, context)))
    }
}

impl Handler<Drain> for TrendingActor {
    type Result = ResponseActFuture<Self, Answer>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        let work = self.work.clone();
        let work = guarded(async move { work.flush().await });
        Box::pin(work.into_actor(self).map(|outcome, _, context| answer(outcome, context)))
    }
}

crate::injectable!(TrendingActor);
