//! The way to the ReportActor, and to the projections that it writes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;
use tokio::time::Instant;

use super::{
    actor::ReportActor,
    fold::{Counters, Folding},
    messages::Drain,
    numbers::Numbers,
    partition::Held,
    projector::Projector,
    reconcile::Reconciler,
    remembered::Remembered,
};
use crate::{
    domain::{Projection, ReportFacts, UserId},
    ports::{Clock, EventBus, ProcessLeases, Reports, StoreError, SyncLog, UserSeq, WatchLog},
    supervision::{ActorError, ActorRef, ActorSpec},
    trending::Tally,
};

/// How long a reader waits for events in flight before the marks are read instead.
const IN_FLIGHT: Duration = Duration::from_millis(150);
/// Other replicas do not tell what they have folded: meanwhile it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// What has become of watch events since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportStatus {
    /// Events that were folded.
    pub applied: u64,
    /// Events that were in the projection already, or whose account was gone.
    pub duplicates: u64,
    /// Events before which others were missing.
    pub gaps: u64,
    /// Users projected anew from their marks.
    pub rebuilt: u64,
    /// Events that could never be applied and were put aside.
    pub poisoned: u64,
    /// From commit to projection, of the last event.
    pub lag: Duration,
    /// Partitions whose events this process folds now.
    pub partitions: usize,
}

/// What the actor works with.
#[derive(Clone)]
pub struct ReportPorts {
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Marks.
    pub watch_log: Arc<dyn WatchLog>,
    /// Where they come from.
    pub bus: Arc<dyn EventBus>,
    /// What the last runs came to.
    pub sync_log: Arc<dyn SyncLog>,
    /// Which replica folds what.
    pub leases: ProcessLeases,
    /// Told of marks that were folded.
    pub tally: Tally,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Reads reports. Cheap to clone.
#[derive(Clone)]
pub struct ReportHandle {
    actor: ActorRef<ReportActor>,
    folding: Folding,
    numbers: Numbers,
    held: Arc<Held>,
}

impl ReportHandle {
    /// Starts the actor on an arbiter.
    pub fn start(arbiter: &ArbiterHandle, ports: ReportPorts) -> Self {
        let numbers = Numbers::new(Arc::clone(&ports.watch_log));
        let projector = Projector {
            reports: ports.reports,
            watch_log: ports.watch_log,
            remembered: Remembered::default(),
            counters: Arc::new(Counters::default()),
        };
        let folding = Folding { projector, bus: ports.bus, clock: ports.clock, tally: ports.tally };
        let reconciler =
            Reconciler { folding: folding.clone(), sync_log: ports.sync_log, leases: ports.leases };
        let spec =
            ActorSpec { name: "report", max_under_way: 1_024, deadline: Duration::from_secs(10) };
        let held = Arc::new(Held::default());
        let shared = Arc::clone(&held);
        let actor = ActorRef::start(arbiter, spec, move |life| {
            ReportActor::new(life, reconciler.clone(), Arc::clone(&shared))
        });
        Self { actor, folding, numbers, held }
    }

    /// A user's report, never behind the writes that were answered before this was asked;
    /// `None` when there is no such account. Costs the same whatever was watched: the user's number
    /// is looked up, and where nothing has changed since the last report that is all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report(&self, user: UserId) -> Result<Option<Arc<ReportFacts>>, StoreError> {
        let deadline = Instant::now() + IN_FLIGHT;
        let Some(seq) = self.numbers.of(user).await? else { return Ok(None) };
        let remembered = &self.folding.projector.remembered;
        if let Some(known) = remembered.at(user, seq) {
            return Ok(Some(known));
        }
        let stored = self.stored(&[user]).await.remove(&user);
        let Some(projection) = self.at_least(user, seq, stored, deadline).await? else {
            return Ok(None);
        };
        let facts = Arc::new(projection.facts());
        remembered.keep(&facts);
        Ok(Some(facts))
    }

    /// Several reports, in the order asked; accounts that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reports(&self, users: &[UserId]) -> Result<Vec<ReportFacts>, StoreError> {
        let found = self.folding.projector.watch_log.sequences(users).await?;
        let mut found: HashMap<UserId, UserSeq> =
            found.into_iter().map(|seq| (seq.user, seq)).collect();
        let in_order: Vec<UserSeq> = users.iter().filter_map(|user| found.remove(user)).collect();
        self.reports_at(&in_order).await
    }

    /// The reports of all users in order of id, from behind the given one on, at most `limit` but
    /// for accounts that go meanwhile; none at the end. Beside them, after whom to go on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reports_after(
        &self,
        place: Option<UserId>,
        limit: u32,
    ) -> Result<Option<(UserId, Vec<ReportFacts>)>, StoreError> {
        let users = self.folding.projector.watch_log.sequences_after(place, limit).await?;
        let Some(last) = users.last() else { return Ok(None) };
        Ok(Some((last.user, self.reports_at(&users).await?)))
    }

    async fn reports_at(&self, users: &[UserSeq]) -> Result<Vec<ReportFacts>, StoreError> {
        let deadline = Instant::now() + IN_FLIGHT;
        let ids: Vec<UserId> = users.iter().map(|it| it.user).collect();
        let mut stored = self.stored(&ids).await;
        let mut reports = Vec::with_capacity(users.len());
        for UserSeq { user, seq, .. } in users {
            let stored = stored.remove(user);
            let projection = self.at_least(*user, *seq, stored, deadline).await?;
            reports.extend(projection.map(|projection| projection.facts()));
        }
        Ok(reports)
    }

    /// What is stored; nothing when the documents cannot be read: the marks can.
    async fn stored(&self, users: &[UserId]) -> HashMap<UserId, Projection> {
        self.folding.projector.reports.projections(users).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "reports are computed from the marks");
            HashMap::new()
        })
    }

    async fn at_least(
        &self,
        user: UserId,
        seq: u64,
        stored: Option<Projection>,
        deadline: Instant,
    ) -> Result<Option<Projection>, StoreError> {
        if seq == 0 {
            return Ok(Some(Projection::empty(user)));
        }
        let mut stored = stored;
        loop {
            // Listening before looking: a write between the two is not missed.
            let written = self.folding.projector.counters.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if let Some(projection) = stored.filter(|projection| projection.last_seq >= seq) {
                if projection.last_seq == seq || self.has_come_to(user, projection.last_seq).await?
                {
                    return Ok(Some(projection));
                }
                // Ahead of the marks: they were restored from a backup.
                self.folding.projector.remembered.forget(user);
                break;
            }
            let now = Instant::now();
            stored = match self.folding.projector.reports.projection(user).await {
                Ok(found) => found,
                // The marks can be read.
                Err(_unreadable) => break,
            };
            if stored.as_ref().is_some_and(|projection| projection.last_seq >= seq) {
                continue;
            }
            // This look was the last one: it began when the time was up.
            if now >= deadline {
                break;
            }
            // Whether it was written or only the time is up, it is looked for again.
            let _ = tokio::time::timeout_at(deadline.min(now + LOOK_EVERY), written).await;
        }
        let Some(history) = self.folding.projector.watch_log.history(user).await? else {
            return Ok(None);
        };
        Ok(Some(Projection::rebuilt(user, history.seq, &history.marks)))
    }

    /// Whether a user's marks have come to this sequence number.
    async fn has_come_to(&self, user: UserId, seq: u64) -> Result<bool, StoreError> {
        let sequences = self.folding.projector.watch_log.sequences(&[user]).await?;
        Ok(sequences.first().is_some_and(|now| now.seq >= seq))
    }

    /// Ends folding between two events.
    ///
    /// # Errors
    /// [`ActorError`].
    pub(crate) async fn drain(&self) -> Result<(), ActorError> {
        self.actor.call(Drain).await
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> ReportStatus {
        let counters = &self.folding.projector.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReportStatus {
            applied: read(&counters.applied),
            duplicates: read(&counters.duplicates),
            gaps: read(&counters.gaps),
            rebuilt: read(&counters.rebuilt),
            poisoned: read(&counters.poisoned),
            lag: Duration::from_millis(read(&counters.lag_millis)),
            partitions: self.held.count(),
        }
    }
}

crate::supervision::watched_over!(ReportHandle);
