//! Who may wait for a connection: as long as the wait is short, and nobody beyond that.
//!
//! A queue that grows serves nobody: everyone in it is answered late, and the last of them after they
//! have gone. So the wait of a newcomer is foretold by Little's law, from the number of those before
//! it and the time that each place has lately taken, and who would wait too long is told at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use watchme_actors::ports::StoreError;

use super::errors::busy;

/// The longest wait that is foretold to anybody who is let in: with the work itself, the commit and what
/// a busy machine adds, an answer within half a second.
const LONGEST: Duration = Duration::from_millis(100);
/// So few may always wait: the engines that are used serve as many in a tenth of a second or so, and
/// after an outage, when every connection has to be opened again, the pace of late means nothing.
const FEW: usize = 256;
/// More may never wait.
const MANY: usize = 1_024;
/// With as many before one, how long it took tells of the pace.
const TELLING: usize = FEW / 4;
/// Of how many waits the pace is a moving average, about.
const SAMPLES: u64 = 32;

/// Those who wait for the same connections.
#[derive(Debug, Default)]
pub(super) struct Admission {
    waiting: AtomicUsize,
    /// Nanoseconds that a place in the line takes. A lost update of two at once does not matter.
    pace: AtomicU64,
}

impl Admission {
    /// Lets a newcomer in, unless it would wait too long.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        let waiting = self.waiting();
        let pace = Duration::from_nanos(self.pace.load(Ordering::Relaxed));
        let wait = pace.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
        if waiting < FEW || (waiting < MANY && wait <= LONGEST) {
            return Ok(());
        }
        Err(busy())
    }

    /// The same for what decides whom to let in: whoever would be refused by it is to hear so, and not
    /// that the service is busy. It waits as long as there is room at all.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn admit_patiently(&self) -> Result<(), StoreError> {
        if self.waiting() < MANY { Ok(()) } else { Err(busy()) }
    }

    /// Takes a place in the line, whether or not it was asked before.
    pub(super) fn line_up(self: &Arc<Self>) -> Place {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        Place { admission: Arc::clone(self), before, since: Instant::now() }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// A place in the line; dropped by who gives up.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    before: usize,
    since: Instant,
}

impl Place {
    /// Its turn has come. Of the pace only a long line tells: the last of a few, who all go together,
    /// waits as long as the last of many.
    pub(super) fn served(self) -> Duration {
        let waited = self.since.elapsed();
        if self.before >= TELLING {
            let places = u64::try_from(self.before + 1).unwrap_or(u64::MAX);
            let sample = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX) / places;
            let pace = &self.admission.pace;
            let old = pace.load(Ordering::Relaxed);
            let new = if old == 0 { sample } else { old - old / SAMPLES + sample / SAMPLES };
            pace.store(new, Ordering::Relaxed);
        }
        waited
    }

    /// It has waited in vain.
    pub(super) fn given_up(self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, pause};

    use super::*;

    /// Serves as many, one after another, each for so long, with as many in the line all the time.
    async fn serve(admission: &Arc<Admission>, many: usize, line: usize, each: Duration) {
        let mut places: std::collections::VecDeque<_> =
            (0..line).map(|_| admission.line_up()).collect();
        for _ in 0..many {
            advance(each).await;
            places.pop_front().map(Place::served);
            places.push_back(admission.line_up());
        }
    }

    /// How many are let in who come at once.
    fn admitted(admission: &Arc<Admission>) -> usize {
        let mut places = Vec::new();
        while admission.admit().is_ok() {
            places.push(admission.line_up());
        }
        places.len()
    }

    #[tokio::test]
    async fn as_many_are_let_in_as_are_served_in_time() {
        pause();
        for (each, expected) in [(50, 1_024), (200, 500), (300, 333), (9_000, 256)] {
            let admission = Arc::<Admission>::default();
            serve(&admission, 1_000, 80, Duration::from_micros(each)).await;
            let admitted = admitted(&admission);
            assert!(admitted.abs_diff(expected) <= expected / 20 + 1, "{each} µs: {admitted}");
        }
    }

    #[tokio::test]
    async fn it_follows_what_becomes_slower_or_faster() {
        pause();
        let admission = Arc::<Admission>::default();
        for (each, expected) in [(200, 500), (1_000, 256), (200, 500)] {
            serve(&admission, 500, 80, Duration::from_micros(each)).await;
            let admitted = admitted(&admission);
            assert!(admitted.abs_diff(expected) <= expected / 10, "{each} µs: {admitted}");
        }
    }

    #[tokio::test]
    async fn who_is_alone_or_gives_up_changes_nothing() {
        pause();
        let admission = Arc::<Admission>::default();
        serve(&admission, 1_000, 80, Duration::from_millis(1)).await;
        let before = admission.pace.load(Ordering::Relaxed);
        for _ in 0..100 {
            let place = admission.line_up();
            advance(Duration::from_secs(1)).await;
            place.served();
            drop((admission.line_up(), admission.line_up()));
        }
        assert_eq!(admission.pace.load(Ordering::Relaxed), before);
        assert_eq!(admission.waiting(), 0);
    }

    #[tokio::test]
    async fn who_is_patient_is_let_in_while_there_is_room() {
        pause();
        let admission = Arc::<Admission>::default();
        serve(&admission, 1_000, 80, Duration::from_secs(1)).await;
        let mut places = Vec::new();
        while admission.admit_patiently().is_ok() {
            places.push(admission.line_up());
        }
        assert_eq!(places.len(), MANY);
    }

    #[test]
    fn of_whom_nothing_is_known_many_are_let_in() {
        assert_eq!(admitted(&Arc::default()), MANY);
    }
}
