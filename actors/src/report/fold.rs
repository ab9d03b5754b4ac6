//! Folding one event exactly once in effect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::projector::Projector;
use crate::{
    domain::{FoldOutcome, Projection, WatchChange, WatchEvent},
    ports::{BusError, BusMessage, Clock, EventBus, StoreError},
    trending::Tally,
};

/// Times that a guarded write is tried again after somebody else came first.
const RACES: u32 = 8;

/// What folding works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Folding {
    pub(super) projector: Projector,
    pub(super) bus: Arc<dyn EventBus>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tally: Tally,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) applied: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) rebuilt: AtomicU64,
    pub(super) poisoned: AtomicU64,
    pub(super) lag_millis: AtomicU64,
    /// Signalled whenever a projection was written.
    pub(super) written: Notify,
}

/// The event that a message carries.
///
/// # Errors
/// Why it cannot be read, whenever it comes.
pub(super) fn event_of(message: &BusMessage) -> Result<WatchEvent, String> {
    if let Some(reason) = &message.unreadable {
        return Err(reason.clone());
    }
    match serde_json::from_str::<WatchEvent>(&message.payload) {
        Ok(event) if event.user_id == message.user_id => Ok(event),
        Ok(_) => Err("the event is of another user than its subject".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Folding {
    /// Deals with a message for good: folds it, drops it, or puts it aside.
    ///
    /// # Errors
    /// When a store or the bus fails for now: the message must come again.
    pub(super) async fn take(&self, message: &BusMessage) -> Result<(), FoldError> {
        let event = match event_of(message) {
            Ok(event) => event,
            Err(reason) => return self.poison(message, &reason).await,
        };
        let folded = match &event.change {
            WatchChange::Erased => self.erase(&event).await,
            _ => self.fold(&event).await,
        };
        match folded {
            // Trying again would meet the same marks and hold up everybody behind.
            Err(FoldError::Corrupt(reason)) => return self.bury(message, &reason).await,
            outcome => outcome?,
        }
        self.note_lag(&event);
        Ok(())
    }

    pub(super) fn note_lag(&self, event: &WatchEvent) {
        let lag = self.clock.now().since(event.at);
        self.counters().lag_millis.store(millis(lag), Ordering::Relaxed);
    }

    async fn fold(&self, event: &WatchEvent) -> Result<(), FoldError> {
        for _ in 0..RACES {
            let stored = match self.projector.reports.projection(event.user_id).await {
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%error, user = %event.user_id, "the report is rebuilt");
                    self.projector.rebuild(event.user_id).await?;
                    return Ok(());
                }
                outcome => outcome?,
            };
            let before = match stored {
                Some(projection) => projection,
                None => {
                    // Without a projection an event must not make one for an account that is
                    // gone: its `erased` may have been folded already.
                    let exists =
                        !self.projector.watch_log.sequences(&[event.user_id]).await?.is_empty();
                    if !exists {
                        self.counters().duplicates.fetch_add(1, Ordering::Relaxed);
                        return Ok(());
                    }
                    Projection::empty(event.user_id)
                }
            };
            match before.fold(event) {
                FoldOutcome::Applied(next) => {
                    if self.projector.reports.advance(before.last_seq, &next).await? {
                        self.applied(event);
                        self.counters().written.notify_waiters();
                        return Ok(());
                    }
                }
                FoldOutcome::Duplicate => {
                    self.counters().duplicates.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                FoldOutcome::Gap => {
                    self.counters().gaps.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(user = %event.user_id, seq = event.seq, have = before.last_seq, "events are missing; the report is rebuilt");
                    self.projector.rebuild(event.user_id).await?;
                    return Ok(());
                }
                FoldOutcome::Erased => return self.erase(event).await,
            }
        }
        Err(FoldError::Later("the projection was changed by others again and again".to_owned()))
    }

    /// Whatever is stored, or is stored no more because this comes again: the bus may still keep
    /// something.
    async fn erase(&self, event: &WatchEvent) -> Result<(), FoldError> {
        self.projector.reports.erase(event.user_id).await?;
        self.bus.erase(event.user_id).await?;
        self.applied(event);
        self.counters().written.notify_waiters();
        Ok(())
    }

    fn counters(&self) -> &Counters {
        &self.projector.counters
    }

    pub(super) fn applied(&self, event: &WatchEvent) {
        self.counters().applied.fetch_add(1, Ordering::Relaxed);
        if let WatchChange::Marked { movie, .. } = &event.change {
            self.tally.marked(movie.movie_id, event.at);
        }
    }

    async fn poison(&self, message: &BusMessage, reason: &str) -> Result<(), FoldError> {
        self.bury(message, reason).await?;
        match self.projector.rebuild(message.user_id).await {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, user = %message.user_id, "the report cannot be rebuilt");
                Ok(())
            }
            outcome => Ok(outcome.map(|_| ())?),
        }
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), FoldError> {
        tracing::error!(event = %message.event_id, user = %message.user_id, reason, "an event cannot be applied and is put aside");
        self.bus.bury(message, reason).await?;
        self.counters().poisoned.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// An event could not be dealt with.
#[derive(Debug, thiserror::Error)]
pub(super) enum FoldError {
    /// For now: it has to come again.
    #[error("{0}")]
    Later(String),
    /// The user's marks cannot be read.
    #[error("{0}")]
    Corrupt(String),
}

impl From<StoreError> for FoldError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Busy { .. } => {
                Self::Later(error.to_string())
            }
            StoreError::Corrupt { .. } => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<BusError> for FoldError {
    fn from(error: BusError) -> Self {
        Self::Later(error.to_string())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
