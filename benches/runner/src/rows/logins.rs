//! Logins, against the passwords that all cores can hash.

use std::{process::Command, thread, time::Duration};

use crate::{
    bench::{Bench, CLIENTS, LIST},
    contest::median,
    error::{BenchError, Outcome},
    load::{self, Load},
    report::{Bar, Line, Unit},
    requests::{logins as of_accounts, reads},
    server::{Server, beside},
};

/// As many as are let wait, and no more: none is refused, and no core is ever idle.
const CLIENTS_AT_ONCE: usize = 32;
/// Reads a second beside them.
const READS: f64 = 200.0;
/// Milliseconds.
const READS_P99: Bar = Bar::Below(150.0);
const WARM_UP: Duration = Duration::from_millis(300);

pub(crate) fn logins(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let service = bench.service()?;
    let emails: Vec<_> = base.users.iter().map(|user| user.email.clone()).collect();
    let logins = of_accounts(&emails);
    // A login takes long: fewer of them make a round of their own.
    let time = bench.how.time.max(Duration::from_secs(2));
    let load = Load::when_answered(CLIENTS_AT_ONCE, WARM_UP, time);
    let mut rounds = Vec::new();
    for _ in 0..bench.how.rounds.min(3) {
        let hashes = hashes_a_second(time)?;
        let measured = load::run(&service, &logins, &load)?;
        measured.all_well()?;
        rounds.push((hashes, measured.throughput()));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick).collect());
    let line = Line::figure("logins", "logins", of(|it| it.1), Unit::PerSecond)
        .against(of(|it| it.0), of(|it| it.1 / it.0))
        .bar(Bar::AtLeast(0.9));
    bench.report.add(line);

    let list = reads(&base.users[..CLIENTS], &[LIST.to_owned()]);
    let reading = Load::arriving(READS, CLIENTS, time.max(Duration::from_secs(3)));
    let alone = load::run(&service, &list, &reading)?;
    alone.all_well()?;
    let (server, logins): (&Server, _) = (&service, &logins);
    let (beside, saturating) = thread::scope(|scope| {
        let longer = Load { time: reading.time + 2 * WARM_UP, ..load.clone() };
        let saturating = scope.spawn(move || load::run(server, logins, &longer));
        thread::sleep(WARM_UP);
        let beside = load::run(server, &list, &reading);
        (beside, saturating.join())
    });
    let beside = beside?;
    beside.all_well()?;
    let saturating =
        saturating.map_err(|_| BenchError::unexpected("the thread of the logins died"))??;
    saturating.all_well()?;
    let line = Line::figure(
        "logins",
        "reads while logins saturate: p99, beside that of reads alone",
        beside.percentile(99.0),
        Unit::Milliseconds,
    );
    let note = format!("{:.0} logins a second beside", saturating.throughput());
    bench.report.add(line.beside(alone.percentile(99.0)).bar(READS_P99).note(note));
    Ok(())
}

fn hashes_a_second(time: Duration) -> Outcome<f64> {
    let output =
        Command::new(beside("floor")?).args(["hash", &time.as_secs_f64().to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| {
        BenchError::unexpected(format!("floor hash: {}", String::from_utf8_lossy(&output.stderr)))
    })
}
