//! How requests were answered.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::watch::Kind;
use crate::support::Answer;

/// One kind of request, with how it was answered.
#[derive(Default)]
pub struct Seen {
    done: u32,
    /// By the code of the problem.
    refused: BTreeMap<String, u32>,
    times: Vec<Duration>,
    /// Answers that say that they may be older than they should be.
    pub stale: u32,
}

impl Seen {
    /// Notes an answer and how long it took.
    pub fn note(&mut self, answer: &Answer, time: Duration) {
        if answer.status == 503 {
            let code = answer.json()["code"].as_str().unwrap_or("none").to_owned();
            *self.refused.entry(code).or_default() += 1;
        } else {
            self.done += 1;
        }
        self.stale += u32::from(is_stale(answer));
        self.times.push(time);
    }

    /// Of the times.
    pub fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// The longest time.
    pub fn slowest(&self) -> Duration {
        self.times.iter().max().copied().unwrap_or_default()
    }

    /// Answers that did what was asked.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Answers that were 503.
    pub fn refused(&self) -> u32 {
        self.refused.values().sum()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} done, refused {:?}, slowest {:?}", self.done, self.refused, self.slowest())
    }
}

/// Whether an answer says that it may be older than it should be.
pub fn is_stale(answer: &Answer) -> bool {
    answer.header("cache-status").contains("stale")
}

/// Everything that was asked.
pub struct AllSeen(pub BTreeMap<Kind, Seen>);

impl AllSeen {
    /// One kind, which was asked.
    pub fn of(&self, kind: Kind) -> &Seen {
        self.0.get(&kind).expect("every kind was asked")
    }

    /// How many were refused, of all kinds.
    pub fn refused(&self) -> u32 {
        self.0.values().map(Seen::refused).sum()
    }

    /// How many were answered at all.
    pub fn answered(&self) -> u32 {
        self.0.values().map(|seen| seen.done() + seen.refused()).sum()
    }

    /// The longest time of any.
    pub fn slowest(&self) -> Duration {
        self.0.values().map(Seen::slowest).max().unwrap_or_default()
    }

    /// Insists that these were never refused.
    pub fn served(&self, kinds: &[Kind]) {
        for kind in kinds {
            let seen = self.of(*kind);
            assert!(seen.done > 0, "{kind:?} was never answered: {seen}");
            assert_eq!(seen.refused(), 0, "{kind:?} was refused: {seen}");
        }
    }

    /// Insists that these were always refused.
    pub fn refused_all(&self, kinds: &[Kind]) {
        for kind in kinds {
            let seen = self.of(*kind);
            assert!(seen.refused() > 0, "{kind:?} was never refused: {seen}");
            assert_eq!(seen.done, 0, "{kind:?} was done: {seen}");
        }
    }
}
