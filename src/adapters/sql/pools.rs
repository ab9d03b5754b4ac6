//! How the connections are used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Any,
    pool::{Pool, PoolConnection},
};
use watchme_actors::ports::{PoolUse, Pools};

use super::{SqlStore, admission::Admission, dialect::Frame, store::Engine};

/// How connections are waited for. Outlives the pools, which are renewed.
#[derive(Debug, Default)]
pub(super) struct Waits {
    reads: Counters,
    writes: Counters,
    pub(super) line: Arc<Admission>,
}

#[derive(Debug, Default)]
struct Counters {
    asked: AtomicU64,
    refused: AtomicU64,
    waited_micros: AtomicU64,
}

impl Waits {
    /// Takes a connection out of a pool.
    pub(super) async fn acquire(
        &self,
        pool: &Pool<Any>,
        frame: Frame,
    ) -> Result<PoolConnection<Any>, sqlx::Error> {
        let counters = if frame == Frame::Write { &self.writes } else { &self.reads };
        let place = self.line.line_up();
        let outcome = pool.acquire().await;
        let waited = if outcome.is_ok() { place.served() } else { place.given_up() };
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        counters.asked.fetch_add(1, Ordering::Relaxed);
        counters.waited_micros.fetch_add(waited, Ordering::Relaxed);
        if outcome.is_err() {
            counters.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Somebody was told not to wait.
    pub(super) fn turned_away(&self) {
        self.reads.refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn use_of(name: &'static str, pool: &Pool<Any>, counters: &[&Counters]) -> PoolUse {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let sum = |counter: fn(&Counters) -> &AtomicU64| -> u64 {
        counters.iter().map(|counters| counter(counters).load(Ordering::Relaxed)).sum()
    };
    PoolUse {
        pool: name,
        most: pool.options().get_max_connections(),
        in_use: pool.size().saturating_sub(idle),
        idle,
        asked: sum(|counters| &counters.asked),
        refused: sum(|counters| &counters.refused),
        waited: Duration::from_micros(sum(|counters| &counters.waited_micros)),
    }
}

impl Pools for SqlStore {
    /// `read` for a file, which has a single connection to write with; for a server `sql`.
    fn pools(&self) -> Vec<PoolUse> {
        let Waits { reads, writes, .. } = &*self.waits;
        match &self.engine {
            Engine::File(file) => vec![use_of("read", &file.read, &[reads])],
            Engine::Server(server) => vec![use_of("sql", &server.pool(), &[reads, writes])],
        }
    }
}
