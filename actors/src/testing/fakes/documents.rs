//! The document ports in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    domain::{Genre, GenreId, Hour, Movie, MovieId, Projection, UserId},
    ports::{StoreError, SyncRecord},
    testing::DocumentPorts,
};

/// Catalogue, genres, reports, sync log and trending scores in memory; clones share them. Can be told to fail.
#[derive(Debug, Clone, Default)]
pub struct MemoryDocuments(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) movies: BTreeMap<MovieId, Movie>,
    pub(super) genres: BTreeMap<GenreId, Genre>,
    pub(super) projections: HashMap<UserId, Projection>,
    pub(super) sync_records: HashMap<String, SyncRecord>,
    pub(super) scores: BTreeMap<(Hour, MovieId), u64>,
    failing: bool,
    fail_next: u32,
}

impl MemoryDocuments {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call fails with `Unavailable`, or does not any more.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// The next `calls` calls fail with `Unavailable`, whatever they ask.
    pub fn fail_next(&self, calls: u32) {
        self.lock().fail_next = calls;
    }

    /// These ports for a contract suite.
    #[must_use]
    pub fn ports(&self) -> DocumentPorts {
        DocumentPorts {
            catalogue: Arc::new(self.clone()),
            genres: Arc::new(self.clone()),
            reports: Arc::new(self.clone()),
            sync_log: Arc::new(self.clone()),
            trending: Arc::new(self.clone()),
            keep: Box::new(()),
        }
    }

    /// The state, unless this call has to fail.
    pub(super) fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.lock();
        let failing = state.failing || state.fail_next > 0;
        state.fail_next = state.fail_next.saturating_sub(1);
        if failing {
            let reason = "told to fail".to_owned();
            return Err(StoreError::Unavailable { store: "documents", reason });
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this lock")
    }
}
