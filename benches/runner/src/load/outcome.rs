//! What a load came to.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{connection::Answer, lane::Window};
use crate::error::{BenchError, Outcome};

/// Three digits of microseconds up to a minute.
const LONGEST: u64 = 60_000_000;
/// How finely the course is kept.
pub(crate) const STEP: Duration = Duration::from_millis(250);

/// What a load came to.
pub(crate) struct Measured {
    /// When what is counted began.
    from: Instant,
    time: Duration,
    /// 200 and 201.
    pub(crate) answered: u64,
    /// 201.
    made: u64,
    /// 503.
    pub(crate) refused: u64,
    /// Any other status.
    pub(crate) unexpected: u64,
    /// Connections that could not be opened, or broke with a request under way.
    pub(crate) broken: u64,
    /// Requests that were due and found no idle connection.
    pub(crate) unsent: u64,
    /// Requests without an answer 10 s after the end.
    pub(crate) unanswered: u64,
    answers: Option<Histogram<u64>>,
    refusals: Option<Histogram<u64>>,
    body_bytes: u64,
    /// Answers in each [`STEP`].
    pub(crate) course: Vec<u64>,
    /// The first that went wrong.
    pub(crate) sample: Option<String>,
    /// What the server used.
    pub(crate) cpu: Duration,
    /// The most memory that the server had, in bytes.
    pub(crate) memory: u64,
}

impl Measured {
    pub(super) fn new(window: Window) -> Self {
        let time = window.until - window.from;
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).ok();
        let steps = time.as_millis().div_ceil(STEP.as_millis());
        Self {
            from: window.from,
            time,
            answered: 0,
            made: 0,
            refused: 0,
            unexpected: 0,
            broken: 0,
            unsent: 0,
            unanswered: 0,
            answers: histogram(),
            refusals: histogram(),
            body_bytes: 0,
            course: vec![0; usize::try_from(steps).unwrap_or_default()],
            sample: None,
            cpu: Duration::ZERO,
            memory: 0,
        }
    }

    /// Notes an answer that took so long and came at this time of the window; whether it is one that
    /// a client may expect.
    pub(super) fn note(&mut self, answer: &Answer, took: Duration, at: Duration) -> bool {
        let times = match answer.status {
            200 | 201 => {
                self.answered += 1;
                self.made += u64::from(answer.status == 201);
                self.body_bytes += answer.body_bytes() as u64;
                let step = (at.as_millis() / STEP.as_millis()) as usize;
                if let Some(step) = self.course.get_mut(step) {
                    *step += 1;
                }
                &mut self.answers
            }
            503 => {
                self.refused += 1;
                &mut self.refusals
            }
            _ => {
                self.unexpected += 1;
                return false;
            }
        };
        if let Some(times) = times {
            times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST));
        }
        true
    }

    /// Adds what another thread has measured in the same time.
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.made += other.made;
        self.refused += other.refused;
        self.unexpected += other.unexpected;
        self.broken += other.broken;
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
        self.body_bytes += other.body_bytes;
        for (mine, theirs) in
            [(&mut self.answers, &other.answers), (&mut self.refusals, &other.refusals)]
        {
            if let (Some(mine), Some(theirs)) = (mine.as_mut(), theirs) {
                // Both have the same bounds.
                let _ = mine.add(theirs);
            }
        }
        for (mine, theirs) in self.course.iter_mut().zip(&other.course) {
            *mine += theirs;
        }
        if self.sample.is_none() {
            self.sample.clone_from(&other.sample);
        }
    }

    /// How long after the end of another load this one began.
    pub(crate) fn after(&self, other: &Self) -> Duration {
        self.from.saturating_duration_since(other.from + other.time)
    }

    /// Answers a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64()
    }

    /// What the server used for each answer, in microseconds.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answered.max(1) as f64
    }

    /// The mean length of the bodies.
    pub(crate) fn body(&self) -> f64 {
        self.body_bytes as f64 / self.answered.max(1) as f64
    }

    /// A percentile of the times of answers, in milliseconds.
    pub(crate) fn percentile(&self, percentile: f64) -> f64 {
        in_millis(self.answers.as_ref(), percentile)
    }

    /// A percentile of the times of refusals, in milliseconds.
    pub(crate) fn refusal_percentile(&self, percentile: f64) -> f64 {
        in_millis(self.refusals.as_ref(), percentile)
    }

    /// What went wrong beside refusals.
    pub(crate) fn lost(&self) -> u64 {
        self.unexpected + self.broken + self.unanswered
    }

    /// That every request was answered well and has made something.
    pub(crate) fn all_made(&self) -> Outcome<()> {
        self.all_well()?;
        if self.made == self.answered {
            return Ok(());
        }
        let before = self.answered - self.made;
        Err(BenchError::unexpected(format!("{before} of {} were marked before", self.answered)))
    }

    /// That every request was answered well.
    pub(crate) fn all_well(&self) -> Outcome<()> {
        let Self { answered, refused, unsent, .. } = self;
        if *answered > 0 && self.lost() + refused + unsent == 0 {
            return Ok(());
        }
        Err(BenchError::unexpected(format!(
            "{answered} answered, {refused} refused with 503, {} other answers, {} connections broken, \
             {} unanswered, {unsent} unsent; the first: {}",
            self.unexpected,
            self.broken,
            self.unanswered,
            self.sample.as_deref().unwrap_or("503"),
        )))
    }
}

fn in_millis(times: Option<&Histogram<u64>>, percentile: f64) -> f64 {
    times.map_or(0, |times| times.value_at_percentile(percentile)) as f64 / 1e3
}
