//! What is logged about the connection.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_nats::Event;

/// More reasons than the client knows. Were there ever more, the later ones would not be told.
const REASONS: usize = 32;

/// Logs what happens to the connection. An attempt is made every second or so: why it fails is
/// told once for each reason, until there is a connection. Reasons are the client's own words for
/// kinds of failures; neither addresses nor credentials are in them.
pub(super) struct Notes {
    /// Counts the times that messages were lost because they were read too slowly.
    overflows: Arc<AtomicU64>,
    told: Mutex<BTreeSet<String>>,
}

impl Notes {
    pub(super) fn new(overflows: Arc<AtomicU64>) -> Self {
        Self { overflows, told: Mutex::default() }
    }

    pub(super) fn take(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.told().clear();
                tracing::info!("connected to NATS");
            }
            Event::Disconnected => tracing::warn!("the connection to NATS is lost"),
            Event::SlowConsumer(_) => {
                self.overflows.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    "messages from NATS came faster than they were read, and some were lost"
                );
            }
            Event::LameDuckMode => tracing::info!("the NATS server is about to stop"),
            Event::ServerError(error) => {
                tracing::warn!(%error, "the NATS server refused something")
            }
            Event::ClientError(error) => {
                let reason = error.to_string();
                if self.is_new(&reason) {
                    tracing::warn!(reason, "NATS cannot be reached");
                }
            }
            Event::Draining | Event::Closed => {}
        }
    }

    fn is_new(&self, reason: &str) -> bool {
        let mut told = self.told();
        told.len() < REASONS && told.insert(reason.to_owned())
    }

    fn told(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_told_once_until_there_is_a_connection() {
        let notes = Notes::new(Arc::default());
        // Servers of a cluster that fail in different ways take turns.
        let told = ["io", "refused", "io", "refused", "io"].map(|reason| notes.is_new(reason));
        assert_eq!(told, [true, true, false, false, false]);
        notes.take(&Event::Connected);
        assert!(notes.is_new("refused"));
    }

    #[test]
    fn reasons_without_end_are_not_kept() {
        let notes = Notes::new(Arc::default());
        let told = (0..1_000).filter(|number| notes.is_new(&number.to_string())).count();
        assert_eq!(told, REASONS);
    }
}
