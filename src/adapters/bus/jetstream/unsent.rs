//! Changes that other replicas have not been told of yet.

use std::{collections::HashSet, mem::take};

use watchme_actors::ports::Change;

/// Changes that are kept one by one; beyond that, others are told that they have missed some.
const KEPT: usize = 4_096;

/// A set: hearing of a change once is as good as hearing of it ten times, and their order is
/// nobody's concern.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unsent {
    changes: HashSet<Change>,
    missed: bool,
}

impl Unsent {
    pub(super) fn add(&mut self, change: Change) {
        if self.missed {
            return;
        }
        self.changes.insert(change);
        if self.changes.len() > KEPT {
            self.changes.clear();
            self.missed = true;
        }
    }

    /// Puts back what may not have arrived.
    pub(super) fn merge(&mut self, other: Self) {
        if other.missed {
            self.changes.clear();
            self.missed = true;
        }
        for change in other.changes {
            self.add(change);
        }
    }

    pub(super) fn take(&mut self) -> Self {
        take(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.missed
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = Change> {
        self.changes.iter().copied()
    }

    /// Whether there were more than could be kept.
    pub(super) fn missed(&self) -> bool {
        self.missed
    }
}
