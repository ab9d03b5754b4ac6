//! Four times what it can take. Marks, since a client on the same cores could not ask for so many
//! reads.

use std::time::Duration;

use super::writes::OVERLOADING;
use crate::{
    bench::{Bench, CLIENTS},
    error::Outcome,
    load::{self, Load, STEP},
    report::{Bar, Line, Unit},
    requests::marks_in_turn,
};

const ROW: &str = "overload";
const TIMES: f64 = 4.0;
/// Enough for all that is admitted and all that is being refused.
const CONNECTIONS: usize = 4_000;
/// The part of what it did before that counts as its full speed.
const FULL_SPEED: f64 = 0.9;
/// How long its recovery is watched.
const AFTER: Duration = Duration::from_secs(8);
/// Until the histories are long: a mark in a nearly empty store costs less, since the pages that it changes
/// are those of other marks, too, and speed is to come back to what it was before, not to that.
const WARM_UP: Duration = Duration::from_secs(10);

pub(crate) fn marks(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let service = bench.service()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let users = &base.users[OVERLOADING];
    // One after the other through the same turns, so that nothing is marked twice, and so that it is for the
    // same users before and after.
    let requests = marks_in_turn(users, &base.films);
    // As long as the overload: what is marked has to be folded too, and for a moment that can wait.
    let time = Duration::from_secs(if bench.how.quick { 3 } else { 6 });
    let at_ease = Load::when_answered(CLIENTS, WARM_UP, time);
    let before = load::run(&service, &requests, &at_ease)?;
    before.all_made()?;
    service.settle()?;
    let capacity = before.throughput();

    let overload = Load::arriving(TIMES * capacity, CONNECTIONS, time);
    let over = load::run(&service, &requests, &overload)?;
    let at_once = Load::when_answered(CLIENTS, Duration::ZERO, AFTER);
    let after = load::run(&service, &requests, &at_once)?;

    let sent = over.answered + over.refused + over.lost();
    let offered = sent as f64 / overload.time.as_secs_f64();
    let line = Line::figure(
        ROW,
        "marks: capacity, then answered under four times as many",
        over.throughput(),
        Unit::PerSecond,
    );
    let note = format!(
        "{offered:.0} a second were sent; {} found none of {CONNECTIONS} connections idle",
        over.unsent
    );
    bench.report.add(line.beside(capacity).note(note));
    let line = Line::figure(
        ROW,
        "overload: p99 of those answered",
        over.percentile(99.0),
        Unit::Milliseconds,
    );
    bench.report.add(line.bar(Bar::Below(500.0)));
    let line = Line::figure(
        ROW,
        "overload: p99 of those refused with 503",
        over.refusal_percentile(99.0),
        Unit::Milliseconds,
    );
    bench.report.add(line.bar(Bar::Below(500.0)).note(format!("{} of {sent}", over.refused)));
    let mut line = Line::figure(ROW, "overload: neither", over.lost() as f64, Unit::Count)
        .bar(Bar::AtMost(0.0));
    if over.lost() > 0 {
        line = line.note(over.sample.clone().unwrap_or_default());
    }
    bench.report.add(line);
    // Answers that were still missing at the end of the overload were waited for.
    let recovery = after.after(&over) + recovery(&after.course, capacity).unwrap_or(AFTER);
    let line = Line::figure(
        ROW,
        "overload: back at 90 % of its capacity after",
        recovery.as_secs_f64(),
        Unit::Seconds,
    );
    let note = format!("{:.0} a second in the {AFTER:?} after", after.throughput());
    bench.report.add(line.bar(Bar::Below(5.0)).note(note));
    after.all_made()?;
    service.settle()?;
    Ok(())
}

/// When as many were answered for two whole seconds as at full speed.
fn recovery(course: &[u64], capacity: f64) -> Option<Duration> {
    const SECOND: usize = (1_000 / STEP.as_millis()) as usize;
    let full = |part: &[u64]| part.iter().sum::<u64>() as f64 >= 2.0 * FULL_SPEED * capacity;
    let steps = course.windows(2 * SECOND).position(full)?;
    Some(STEP * u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_recovered_when_two_whole_seconds_were_as_good_as_before() {
        let course = [10, 300, 300, 10, 250, 240, 230, 220, 230, 240, 250, 200];
        assert_eq!(recovery(&course, 1_000.0), Some(4 * STEP));
        assert_eq!(recovery(&course[..11], 1_000.0), None);
    }
}
