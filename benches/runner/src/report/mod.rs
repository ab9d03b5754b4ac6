//! What was found, for people and for programs.

mod plot;
mod table;

use std::{fs, path::Path, thread, time::Instant};

use serde::Serialize;

use crate::{
    bench::Thoroughness,
    contest::{Contest, Figures},
    error::{BenchError, Outcome},
};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Unit {
    /// A second.
    PerSecond,
    Microseconds,
    Milliseconds,
    Seconds,
    /// 10⁶ bytes.
    Megabytes,
    Count,
}

/// What is asked of the ratio, where there is one, else of the figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
            Self::Below(bar) => value < bar,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    row: &'static str,
    what: String,
    /// The floor's, or what is compared with.
    reference: Option<f64>,
    measured: Option<f64>,
    unit: Unit,
    /// Of `measured` to `reference`; not their quotient where it is a median of rounds.
    ratio: Option<f64>,
    bar: Option<Bar>,
    met: Option<bool>,
    /// Of each answer, in microseconds: the reference's and WatchMe's.
    cpu: Option<[f64; 2]>,
    /// 50th and 99th percentile in milliseconds, of the reference's answers and of WatchMe's.
    times: Option<[[f64; 2]; 2]>,
    note: Option<String>,
}

impl Line {
    /// A figure that stands for itself.
    pub(crate) fn figure(
        row: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: Unit,
    ) -> Self {
        Self {
            row,
            what: what.into(),
            reference: None,
            measured: Some(value),
            unit,
            ratio: None,
            bar: None,
            met: None,
            cpu: None,
            times: None,
            note: None,
        }
    }

    /// How many are answered a second, against the reference.
    pub(crate) fn throughput(
        row: &'static str,
        what: impl Into<String>,
        contest: &Contest,
    ) -> Self {
        Self::both(row, what, [&contest.reference, &contest.measured])
            .against(contest.reference.throughput, contest.throughput)
    }

    /// How many are answered a second, of the reference and of WatchMe.
    pub(crate) fn both(row: &'static str, what: impl Into<String>, sides: [&Figures; 2]) -> Self {
        let [reference, measured] = sides.map(|side| side.throughput);
        Self {
            cpu: Some(sides.map(|side| side.cpu)),
            times: Some(sides.map(|side| [side.p50, side.p99])),
            ..Self::figure(row, what, measured, Unit::PerSecond)
                .against(reference, measured / reference)
        }
    }

    /// What an answer costs, against the reference.
    pub(crate) fn cpu(row: &'static str, what: impl Into<String>, contest: &Contest) -> Self {
        let line = Self::figure(row, what, contest.measured.cpu, Unit::Microseconds);
        Self { reference: Some(contest.reference.cpu), ratio: Some(contest.cpu), ..line }
    }

    /// Against this.
    pub(crate) fn against(self, reference: f64, ratio: f64) -> Self {
        Self { reference: Some(reference), ratio: Some(ratio), ..self }
    }

    /// Beside this, with which it is not to be compared.
    pub(crate) fn beside(self, reference: f64) -> Self {
        Self { reference: Some(reference), ..self }
    }

    /// What is asked of it.
    pub(crate) fn bar(self, bar: Bar) -> Self {
        let met = self.ratio.or(self.measured).map(|value| bar.is_met(value));
        Self { bar: Some(bar), met, ..self }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// Throughput and times at a number of connections.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Point {
    pub(crate) connections: usize,
    pub(crate) throughput: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
}

impl Point {
    pub(crate) fn new(connections: usize, figures: &Figures) -> Self {
        let Figures { throughput, p50, p99, .. } = *figures;
        Self { connections, throughput, p50, p99 }
    }
}

/// Everything that was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    cores: usize,
    quick: bool,
    films: u32,
    history: u32,
    users: u32,
    round_seconds: f64,
    rounds: u32,
    total_seconds: f64,
    lines: Vec<Line>,
    /// Permitted lists against connections.
    pub(crate) floor_curve: Vec<Point>,
    pub(crate) curve: Vec<Point>,
    #[serde(skip)]
    began: Instant,
}

impl Report {
    pub(crate) fn new(how: &Thoroughness) -> Self {
        Self {
            cores: thread::available_parallelism().map_or(1, Into::into),
            quick: how.quick,
            films: how.films,
            history: how.history,
            users: how.users,
            round_seconds: how.time.as_secs_f64(),
            rounds: how.rounds,
            total_seconds: 0.0,
            lines: Vec::new(),
            floor_curve: Vec::new(),
            curve: Vec::new(),
            began: Instant::now(),
        }
    }

    pub(crate) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// A row that could not be measured.
    pub(crate) fn add_failure(&mut self, row: &'static str, error: &BenchError) {
        let skipped = matches!(error, BenchError::Skipped(_));
        let what = if skipped { "skipped" } else { "failed" };
        let line = Line::figure(row, what, 0.0, Unit::Count).note(error.to_string());
        self.lines.push(Line { measured: None, met: (!skipped).then_some(false), ..line });
    }

    /// Whether no bar was missed and nothing failed.
    pub(crate) fn all_met(&self) -> bool {
        self.lines.iter().all(|line| line.met != Some(false))
    }

    /// The table.
    pub(crate) fn text(&self) -> String {
        table::text(self)
    }

    /// Writes all of it into a folder: `results.json`, `results.txt` and, where lists were measured
    /// against connections, `throughput.svg`.
    pub(crate) fn write(&mut self, folder: &Path) -> Outcome<()> {
        self.total_seconds = self.began.elapsed().as_secs_f64();
        fs::create_dir_all(folder)?;
        fs::write(folder.join("results.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(folder.join("results.txt"), self.text() + "\n")?;
        let plot = folder.join("throughput.svg");
        if self.curve.is_empty() {
            // That of an earlier run would be taken for this one's.
            let _ = fs::remove_file(plot);
            return Ok(());
        }
        plot::draw(self, &plot)
    }
}
