//! What was reported last, so that a report costs no more than the look at its user's number.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::time::Instant;

use crate::domain::{ReportFacts, UserId};

/// A number stands for the same marks as before, but for two cases: marks that were restored from
/// a backup come to it a second time, and a stored projection that was wrong is rebuilt by a command
/// in another process. This is how long either may go unseen.
const COUNTS_FOR: Duration = Duration::from_secs(10);
/// Of about 300 bytes each.
const MOST: u64 = 20_000;

/// Reports by user. Cheap to clone.
#[derive(Clone)]
pub(super) struct Remembered(Cache<UserId, Known>);

#[derive(Clone)]
struct Known {
    facts: Arc<ReportFacts>,
    since: Instant,
}

impl Default for Remembered {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Remembered {
    /// The report of a user whose marks have come to this number now.
    pub(super) fn at(&self, user: UserId, seq: u64) -> Option<Arc<ReportFacts>> {
        let known = self.0.get(&user)?;
        let counts = known.facts.last_seq == seq && known.since.elapsed() < COUNTS_FOR;
        counts.then_some(known.facts)
    }

    pub(super) fn keep(&self, facts: &Arc<ReportFacts>) {
        let known = Known { facts: Arc::clone(facts), since: Instant::now() };
        self.0.insert(facts.user_id, known);
    }

    /// What is known of a user may be wrong.
    pub(super) fn forget(&self, user: UserId) {
        self.0.invalidate(&user);
    }
}
