//! Projecting one user or all of them anew, by command.

use std::{collections::HashSet, sync::Arc};

use super::{
    fold::Counters,
    projector::{Projected, Projector},
    remembered::Remembered,
};
use crate::{
    domain::{Timestamp, UserId},
    ports::{Clock, Reports, StoreError, WatchLog},
};

const BATCH: u32 = 500;

/// What a rebuild works with.
#[derive(Clone)]
pub struct RebuildPorts {
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Marks.
    pub watch_log: Arc<dyn WatchLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a rebuild has come to, in users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Whose report was projected from the marks.
    pub rebuilt: u64,
    /// Whose report had come further meanwhile, and was left.
    pub overtaken: u64,
    /// Whose account is gone; a report that was left of it is deleted.
    pub gone: u64,
    /// Whose marks cannot be read; the report was left as it was.
    pub unreadable: u64,
}

/// Projects one user's report from the marks, or that of everybody who has ever marked anything,
/// whether or not a report is stored. Events may go on being folded meanwhile, by this process or
/// by others. `progress` is called after each batch of users.
///
/// # Errors
/// When a store is unavailable; doing it again is harmless.
pub async fn rebuild(
    ports: &RebuildPorts,
    user: Option<UserId>,
    mut progress: impl FnMut(Rebuilt),
) -> Result<Rebuilt, StoreError> {
    let projector = Projector {
        reports: Arc::clone(&ports.reports),
        watch_log: Arc::clone(&ports.watch_log),
        remembered: Remembered::default(),
        counters: Arc::new(Counters::default()),
    };
    let mut so_far = Rebuilt::default();
    if let Some(user) = user {
        one(&projector, user, &mut so_far).await?;
        return Ok(so_far);
    }
    let started = ports.clock.now();
    // Whose marks change meanwhile moves to the end of the list, and is met there again: once.
    let mut met_late = HashSet::new();
    let mut place = None;
    loop {
        let (from, to) = (Timestamp::EPOCH, Timestamp::from_millis(i64::MAX));
        let changed = ports.watch_log.changed_between(from, to, place, BATCH).await?;
        for change in &changed {
            if change.changed_at < started || met_late.insert(change.user) {
                one(&projector, change.user, &mut so_far).await?;
            }
        }
        progress(so_far);
        match changed.last() {
            Some(last) if changed.len() == BATCH as usize => {
                place = Some((last.changed_at, last.user));
            }
            _ => return Ok(so_far),
        }
    }
}

async fn one(projector: &Projector, user: UserId, so_far: &mut Rebuilt) -> Result<(), StoreError> {
    let counted = match projector.rebuild(user).await {
        Ok(Projected::Anew) => &mut so_far.rebuilt,
        Ok(Projected::Overtaken) => &mut so_far.overtaken,
        Ok(Projected::Gone) => &mut so_far.gone,
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, %user, "the report cannot be rebuilt");
            &mut so_far.unreadable
        }
        Err(error) => return Err(error),
    };
    *counted += 1;
    Ok(())
}
