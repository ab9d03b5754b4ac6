//! EntitlementActor.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, Supervised, WrapFuture,
};
use moka::sync;
use quick_cache::sync::Cache;
use tokio::{sync::oneshot, time::Instant};

use super::{
    handle::{EntitlementPorts, EntitlementSettings},
    messages::{EntitlementError, EntitlementSource, Forget, Load, UserEntitlement},
};
use crate::{
    domain::{Entitlement, EntitlementMode, GenreSet, Holding, PackageId, Timestamp, UserId},
    ports::{Packages, StoreError},
    supervision::{ActorError, LifeLine, guarded, restart_after_panic},
};

type Answer = Result<Arc<UserEntitlement>, EntitlementError>;
/// Versions never change, so what was read once stays true.
type VersionGenres = sync::Cache<(PackageId, u32), GenreSet>;

/// Everybody who waits for one user's read.
struct Reading {
    /// Something was forgotten since the read began: what it brings may be older than that.
    outdated: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// Owns package version → genres and user → genres; the only writer of what is published.
pub(super) struct EntitlementActor {
    life: LifeLine,
    ports: EntitlementPorts,
    settings: EntitlementSettings,
    published: Arc<Cache<UserId, Arc<UserEntitlement>>>,
    versions: VersionGenres,
    readings: HashMap<UserId, Reading>,
}

impl EntitlementActor {
    pub(super) fn new(
        life: LifeLine,
        ports: EntitlementPorts,
        settings: EntitlementSettings,
        published: Arc<Cache<UserId, Arc<UserEntitlement>>>,
    ) -> Self {
        Self {
            life,
            ports,
            settings,
            published,
            versions: sync::Cache::new(10_000),
            readings: HashMap::new(),
        }
    }

    fn read(&self, user: UserId, context: &mut Context<Self>) {
        let ports = self.ports.clone();
        let versions = self.versions.clone();
        let mode = self.settings.mode;
        let work = guarded(async move {
            let (read_at, now) = (Instant::now(), ports.clock.now());
            let holdings = ports.subscriptions.holdings(user, now).await?;
            resolve(&*ports.packages, &versions, mode, holdings, now, read_at).await
        });
        context.spawn(work.into_actor(self).map(move |outcome, actor, context| match outcome {
            Ok(outcome) => actor.finished(user, outcome, context),
            Err(_panicked) => restart_after_panic(context),
        }));
    }

    fn finished(
        &mut self,
        user: UserId,
        outcome: Result<UserEntitlement, StoreError>,
        context: &mut Context<Self>,
    ) {
        let Some(reading) = self.readings.get_mut(&user) else { return };
        if reading.outdated {
            reading.outdated = false;
            self.read(user, context);
            return;
        }
        let answer = outcome.map(Arc::new).map_err(EntitlementError::from);
        if let Ok(entitlement) = &answer {
            self.published.insert(user, Arc::clone(entitlement));
        }
        for waiting in self.readings.remove(&user).map(|it| it.waiting).unwrap_or_default() {
            // Whoever gave up waiting does not want it any more.
            let _ = waiting.send(answer.clone());
        }
    }
}

async fn resolve(
    packages: &dyn Packages,
    versions: &VersionGenres,
    mode: EntitlementMode,
    holdings: Vec<Holding>,
    now: Timestamp,
    read_at: Instant,
) -> Result<UserEntitlement, StoreError> {
    let unknown: BTreeSet<(PackageId, u32)> = holdings
        .iter()
        .map(|holding| (holding.package.id, holding.package.version))
        .filter(|version| !versions.contains_key(version))
        .collect();
    let mut read = HashMap::new();
    if !unknown.is_empty() {
        let unknown: Vec<_> = unknown.into_iter().collect();
        read = packages.version_genres(&unknown).await?;
        for (version, genres) in &read {
            versions.insert(*version, genres.clone());
        }
    }
    let valid_until = holdings.iter().filter_map(|holding| holding.next_change(now)).min();
    let sources: Vec<EntitlementSource> = holdings
        .into_iter()
        .filter(|holding| holding.is_active(now))
        .map(|holding| {
            let version = (holding.package.id, holding.package.version);
            let genres = versions.get(&version).or_else(|| read.get(&version).cloned());
            EntitlementSource { holding, genres: genres.unwrap_or_default() }
        })
        .collect();
    let genres = sources.iter().flat_map(|source| source.genres.iter()).collect();
    let entitlement = Arc::new(Entitlement { genres, mode });
    Ok(UserEntitlement { entitlement, sources, read_at, valid_until })
}

impl Actor for EntitlementActor {
    type Context = Context<Self>;
}

impl Supervised for EntitlementActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        // The reads were spawned on the context and are gone: dropping the senders tells whoever
        // waits. What is published was true when it was published, and is kept.
        self.readings.clear();
        self.life.restarted();
    }
}

impl Handler<Load> for EntitlementActor {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, Load(user): Load, context: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        if let Some(reading) = self.readings.get_mut(&user) {
            reading.waiting.push(sender);
        } else {
            self.readings.insert(user, Reading { outdated: false, waiting: vec![sender] });
            self.read(user, context);
        }
        Box::pin(async move { receiver.await.unwrap_or(Err(ActorError::Restarting.into())) })
    }
}

impl Handler<Forget> for EntitlementActor {
    type Result = ();

    fn handle(&mut self, message: Forget, _: &mut Context<Self>) {
        match message {
            Forget::User(user) => {
                self.published.remove(&user);
                if let Some(reading) = self.readings.get_mut(&user) {
                    reading.outdated = true;
                }
                return;
            }
            Forget::Package(package) => {
                let holds = |entry: &UserEntitlement| {
                    entry.sources.iter().any(|source| source.holding.package.id == package)
                };
                self.published.retain(|_, entry| !holds(entry));
            }
            Forget::Everything => self.published.clear(),
        }
        // A read under way may have begun before the change, whatever it reads.
        for reading in self.readings.values_mut() {
            reading.outdated = true;
        }
    }
}

crate::injectable!(EntitlementActor);
