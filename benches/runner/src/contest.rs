//! Two sides under the same load, round by round, so that what disturbs the machine disturbs both.

use std::time::Duration;

use crate::{
    bench::Thoroughness,
    error::{BenchError, Outcome},
    load::{self, Load, Measured, Requests},
    server::Server,
};

const WARM_UP: Duration = Duration::from_millis(300);
/// Bodies that differ by more than this part are not the same work.
const BODY: f64 = 0.02;

/// One of the two.
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    pub(crate) requests: Requests,
}

/// The medians of one side's rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Answers a second.
    pub(crate) throughput: f64,
    /// Of the server's, for each answer, in microseconds.
    pub(crate) cpu: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    body: f64,
}

/// How one side does against the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contest {
    pub(crate) reference: Figures,
    pub(crate) measured: Figures,
    /// Of the throughputs: the median of the rounds' ratios.
    pub(crate) throughput: f64,
    /// Of the server's CPU for each answer.
    pub(crate) cpu: f64,
}

/// Loads both sides in turn.
///
/// # Errors
/// When anything is not answered as it should be, by what `well` says.
pub(crate) fn contest(
    reference: &Side<'_>,
    measured: &Side<'_>,
    connections: usize,
    how: &Thoroughness,
    well: fn(&Measured) -> Outcome<()>,
) -> Outcome<Contest> {
    let load = Load::when_answered(connections, WARM_UP, how.time);
    let round = |side: &Side<'_>| -> Outcome<Figures> {
        let outcome = load::run(side.server, &side.requests, &load)?;
        well(&outcome)?;
        // What it has still to do must not be the other side's loss.
        side.server.settle()?;
        Ok(Figures::of(&outcome))
    };
    let mut rounds = Vec::new();
    for _ in 0..how.rounds {
        rounds.push((round(reference)?, round(measured)?));
    }
    let of = |pick: fn(&(Figures, Figures)) -> f64| median(rounds.iter().map(pick).collect());
    Ok(Contest {
        reference: Figures::median(rounds.iter().map(|(reference, _)| *reference).collect()),
        measured: Figures::median(rounds.iter().map(|(_, measured)| *measured).collect()),
        throughput: of(|(reference, measured)| measured.throughput / reference.throughput),
        cpu: of(|(reference, measured)| measured.cpu / reference.cpu),
    })
}

impl Contest {
    /// That both sides sent as much.
    pub(crate) fn same_bodies(self) -> Outcome<Self> {
        let (reference, measured) = (self.reference.body, self.measured.body);
        if (measured - reference).abs() <= BODY * reference {
            return Ok(self);
        }
        Err(BenchError::unexpected(format!(
            "the floor's bodies have {reference:.0} bytes, WatchMe's {measured:.0}"
        )))
    }
}

impl Figures {
    pub(crate) fn of(outcome: &Measured) -> Self {
        Self {
            throughput: outcome.throughput(),
            cpu: outcome.cpu_each(),
            p50: outcome.percentile(50.0),
            p99: outcome.percentile(99.0),
            body: outcome.body(),
        }
    }

    fn median(rounds: Vec<Self>) -> Self {
        let of = |pick: fn(&Self) -> f64| median(rounds.iter().map(pick).collect());
        Self {
            throughput: of(|it| it.throughput),
            cpu: of(|it| it.cpu),
            p50: of(|it| it.p50),
            p99: of(|it| it.p99),
            body: of(|it| it.body),
        }
    }
}

/// The middle one; of an even number the mean of both in the middle, of none 0.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(upper), 0) => f64::midpoint(values[middle - 1], *upper),
        (Some(value), _) => *value,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_is_no_median() {
        assert_eq!(median(vec![3.0, 100.0, 1.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
