//! What is remembered of movies, for as long as it counts.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::{changes::Alone, domain::MovieId};

/// What is older counts as forgotten while the changes of other replicas do not arrive.
const MAX_AGE_ALONE: Duration = Duration::from_secs(10);

/// How long what is remembered counts.
#[derive(Clone)]
pub(crate) struct Lifetime {
    pub(crate) ttl: Duration,
    /// Whether the changes of other replicas do not arrive.
    pub(crate) alone: Alone,
}

impl Lifetime {
    fn now(&self) -> Duration {
        if self.alone.now() { self.ttl.min(MAX_AGE_ALONE) } else { self.ttl }
    }
}

/// Something of each of the movies that were asked for of late.
pub(super) struct Remembered<V> {
    of: Cache<MovieId, (V, Instant)>,
    lifetime: Lifetime,
}

impl<V: Clone> Remembered<V> {
    pub(super) fn new(most: usize, lifetime: Lifetime) -> Arc<Self> {
        Arc::new(Self { of: Cache::new(most), lifetime })
    }

    pub(super) fn get(&self, id: MovieId) -> Option<V> {
        let (value, since) = self.of.get(&id)?;
        if since.elapsed() < self.lifetime.now() {
            return Some(value);
        }
        self.of.remove_if(&id, |(_, it)| *it == since);
        None
    }

    pub(super) fn insert(&self, id: MovieId, value: V) {
        self.of.insert(id, (value, Instant::now()));
    }

    pub(super) fn forget(&self, id: MovieId) {
        self.of.remove(&id);
    }

    pub(super) fn forget_all(&self) {
        self.of.clear();
    }
}
