//! Projecting a user's marks anew.

use std::sync::{Arc, atomic::Ordering};

use super::{fold::Counters, remembered::Remembered};
use crate::{
    domain::{Projection, UserId},
    ports::{Reports, StoreError, WatchLog},
};

/// What became of a user's projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Projected {
    /// It was replaced.
    Anew,
    /// A newer one was stored meanwhile.
    Overtaken,
    /// The account is gone, and the projection with it.
    Gone,
}

/// Replaces projections by what the marks say. Cheap to clone.
#[derive(Clone)]
pub(super) struct Projector {
    pub(super) reports: Arc<dyn Reports>,
    pub(super) watch_log: Arc<dyn WatchLog>,
    pub(super) remembered: Remembered,
    pub(super) counters: Arc<Counters>,
}

impl Projector {
    /// Projects a user's marks anew from one snapshot and stores that.
    pub(super) async fn rebuild(&self, user: UserId) -> Result<Projected, StoreError> {
        let outcome = self.project_anew(user).await;
        // Whatever was wrong with what was stored may have been read.
        self.remembered.forget(user);
        outcome
    }

    async fn project_anew(&self, user: UserId) -> Result<Projected, StoreError> {
        let Some(history) = self.watch_log.history(user).await? else {
            self.reports.erase(user).await?;
            return Ok(Projected::Gone);
        };
        let projection = Projection::rebuilt(user, history.seq, &history.marks);
        let mut replaced = self.reports.replace(&projection).await?;
        // The account may have gone since the snapshot, and what is stored may be ahead of marks
        // that were restored from a backup.
        match self.watch_log.sequences(&[user]).await?.first() {
            None => {
                self.reports.erase(user).await?;
                return Ok(Projected::Gone);
            }
            Some(now) if !replaced => {
                let stored = self.reports.projection(user).await?;
                if stored.is_some_and(|stored| stored.last_seq > now.seq) {
                    self.reports.erase(user).await?;
                    replaced = self.reports.replace(&projection).await?;
                }
            }
            Some(_) => {}
        }
        if !replaced {
            return Ok(Projected::Overtaken);
        }
        self.counters.rebuilt.fetch_add(1, Ordering::Relaxed);
        self.counters.written.notify_waiters();
        Ok(Projected::Anew)
    }
}
