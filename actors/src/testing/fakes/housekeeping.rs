//! Things that expire, as a test says.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::ports::{Expiry, Housekeeping, StoreError, Swept};

/// Gives batches of sessions out to be deleted; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ScriptedHousekeeping(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    batches: u32,
    sweeps: Vec<Expiry>,
    failing: bool,
}

impl ScriptedHousekeeping {
    /// Nothing has expired.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many batches of a hundred sessions expire.
    pub fn expire(&self, batches: u32) {
        self.lock().batches += batches;
    }

    /// From now on every sweep fails with `Unavailable`, or does not any more.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// What was asked so far.
    #[must_use]
    pub fn sweeps(&self) -> Vec<Expiry> {
        self.lock().sweeps.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this lock")
    }
}

#[async_trait]
impl Housekeeping for ScriptedHousekeeping {
    async fn sweep(&self, expiry: Expiry) -> Result<Swept, StoreError> {
        let mut state = self.lock();
        if state.failing {
            let reason = "told to fail".to_owned();
            return Err(StoreError::Unavailable { store: "sql", reason });
        }
        state.sweeps.push(expiry);
        if state.batches == 0 {
            return Ok(Swept::default());
        }
        state.batches -= 1;
        Ok(Swept { sessions: 100, ..Swept::default() })
    }
}
