//! Finding reports that have fallen behind their marks, whatever lost their events.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{fold::Folding, projector::Projector};
use crate::{
    domain::Timestamp,
    ports::{ProcessLeases, StoreError, SyncLog, SyncRecord},
};

const NAME: &str = "report-reconciler";
const LEASE: Duration = Duration::from_secs(60);
/// A report may be this far behind before it is not just in flight.
const GRACE: Duration = Duration::from_secs(30);
/// Looked at again each time: commits whose clocks differ a little.
const OVERLAP: Duration = Duration::from_secs(60);
const BATCH: u32 = 500;

#[derive(Clone)]
pub(super) struct Reconciler {
    pub(super) folding: Folding,
    pub(super) sync_log: Arc<dyn SyncLog>,
    pub(super) leases: ProcessLeases,
}

impl Reconciler {
    /// Rebuilds every user whose marks changed since the last look and whose report is behind, and
    /// deletes what is left of users who are gone since then; the number of both. Where it got to is kept beside the reports, so that a store that was lost is looked
    /// through from the beginning.
    pub(super) async fn run(&self) -> Result<u64, StoreError> {
        if !self.leases.acquire(NAME, LEASE).await? {
            return Ok(0);
        }
        let outcome = self.compare().await;
        self.leases.release(NAME).await;
        outcome
    }

    fn projector(&self) -> &Projector {
        &self.folding.projector
    }

    async fn compare(&self) -> Result<u64, StoreError> {
        let record = self.sync_log.sync_record(NAME).await?;
        let until = self.folding.clock.now().before(GRACE);
        // A look in the future was a clock that was put right since.
        let last = record.last_success.filter(|last| *last <= until);
        let from = last.map_or(Timestamp::EPOCH, |last| last.before(OVERLAP));
        let rebuilt = self.rebuild_changed(from, until).await?;
        let erased = self.erase_gone(from, until).await?;
        let changed = rebuilt + erased;
        let record = SyncRecord { last_success: Some(until), changed, ..record };
        self.sync_log.save_sync_record(NAME, &record).await?;
        Ok(changed)
    }

    async fn rebuild_changed(&self, from: Timestamp, until: Timestamp) -> Result<u64, StoreError> {
        let mut rebuilt = 0;
        let mut place = None;
        loop {
            let changed =
                self.projector().watch_log.changed_between(from, until, place, BATCH).await?;
            let users: Vec<_> = changed.iter().map(|change| change.user).collect();
            let seen: HashMap<_, _> = self.projector().reports.projections(&users).await?;
            for change in &changed {
                let have = seen.get(&change.user).map_or(0, |projection| projection.last_seq);
                if have == change.seq {
                    continue;
                }
                tracing::warn!(user = %change.user, seq = change.seq, have, "a report is not where its marks are and is rebuilt");
                match self.projector().rebuild(change.user).await {
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(%error, user = %change.user, "the report cannot be rebuilt");
                    }
                    outcome => _ = outcome?,
                }
                rebuilt += 1;
            }
            match changed.last() {
                Some(last) if changed.len() == BATCH as usize => {
                    place = Some((last.changed_at, last.user));
                    self.leases.acquire(NAME, LEASE).await?;
                }
                _ => return Ok(rebuilt),
            }
        }
    }

    /// Whose event was lost is in no list of changes any more, but the event itself is in the
    /// outbox still.
    async fn erase_gone(&self, from: Timestamp, until: Timestamp) -> Result<u64, StoreError> {
        let mut erased = 0;
        let mut place = None;
        loop {
            let gone = self.projector().watch_log.erased_between(from, until, place, BATCH).await?;
            let users: Vec<_> = gone.iter().map(|gone| gone.user).collect();
            let left = self.projector().reports.projections(&users).await?;
            for user in users {
                if left.contains_key(&user) {
                    tracing::warn!(%user, "a report of somebody who is gone is deleted");
                    erased += 1;
                }
                // Also one that cannot be read, which counts as none above.
                self.projector().reports.erase(user).await?;
            }
            match gone.last() {
                Some(last) if gone.len() == BATCH as usize => {
                    place = Some((last.at, last.id));
                    self.leases.acquire(NAME, LEASE).await?;
                }
                _ => return Ok(erased),
            }
        }
    }
}
