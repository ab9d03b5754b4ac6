//! Four times what it can take. Marks, since a client on the same cores could not ask for so many
//! reads.

use std::time::Duration;

use super::writes::OVERLOADING;
use crate::{
    bench::{Bench, CLIENTS, started},
    error::Outcome,
    load::{self, Load, STEP},
    report::{Bar, Line, Unit},
    requests::marks as of_accounts,
};

const ROW: &str = "overload";
const TIMES: f64 = 4.0;
/// Enough for all that is admitted and all that is being refused.
const CONNECTIONS: usize = 4_000;
/// The part of what one does that was not overloaded that counts as its full speed.
const FULL_SPEED: f64 = 0.9;
/// How long its recovery is watched.
const AFTER: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) fn marks(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let service = bench.service()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let users = &base.users[OVERLOADING];
    // One after the other through the same turns, so that nothing is marked twice.
    let requests = of_accounts(users, &base.films, users.len());
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

    // Marks are slower the more of them there are: the speed to come back to is that of another one which
    // has made as many, at ease.
    let data = bench.copy()?;
    let undisturbed = started(data.path(), &base)?;
    let requests = of_accounts(users, &base.films, CLIENTS);
    let as_many = Duration::from_secs_f64(over.answered as f64 / capacity);
    for load in [at_ease, Load::when_answered(CLIENTS, Duration::ZERO, as_many)] {
        load::run(&undisturbed, &requests, &load)?.all_made()?;
        undisturbed.settle()?;
    }
    let full = load::run(&undisturbed, &requests, &at_once)?;
    full.all_made()?;
    let full = full.throughput();

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
    let recovery = recovery(&after.course, full).unwrap_or(AFTER);
    let line = Line::figure(
        ROW,
        "overload: back at 90 % of one that was at ease after",
        recovery.as_secs_f64(),
        Unit::Seconds,
    );
    let note = format!("{full:.0} a second; {:.0} in the {AFTER:?} after", after.throughput());
    bench.report.add(line.bar(Bar::Below(5.0)).note(note));
    Ok(())
}

/// When as many were answered for a whole second as at full speed.
fn recovery(course: &[u64], full_speed: f64) -> Option<Duration> {
    const SECOND: usize = (1_000 / STEP.as_millis()) as usize;
    let full = |second: &[u64]| second.iter().sum::<u64>() as f64 >= FULL_SPEED * full_speed;
    let steps = course.windows(SECOND).position(full)?;
    Some(STEP * u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_recovered_when_a_whole_second_was_as_good_as_at_ease() {
        let course = [10, 300, 10, 250, 240, 230, 220, 100];
        assert_eq!(recovery(&course, 1_000.0), Some(3 * STEP));
        assert_eq!(recovery(&course[..6], 1_000.0), None);
    }
}
