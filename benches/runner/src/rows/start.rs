//! From the start of the process to its first answer.

use std::time::Duration;

use crate::{
    bench::{Bench, LIST},
    contest::median,
    error::Outcome,
    report::{Bar, Line, Unit},
    server::Server,
};

const ROW: &str = "start";

pub(crate) fn start(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let (mut first, mut complete) = (Vec::new(), Vec::new());
    for number in 0..bench.how.rounds.min(3) {
        let data = bench.place(&format!("first-{number}"));
        let mut server = Server::watchme(&data, &[])?;
        first.push(millis(server.first_answer(None, "/health")?));
        complete.push(millis(server.complete()?));
        server.stop()?;
    }
    let data = bench.copy()?;
    let mut second = Vec::new();
    for _ in 0..bench.how.rounds.max(3) {
        let mut server = Server::watchme(data.path(), &[])?;
        second.push(millis(server.first_answer(base.users.first(), LIST)?));
        server.stop()?;
    }
    let line =
        Line::figure(ROW, "first start ever, to the first 200", median(first), Unit::Milliseconds);
    bench.report.add(line.bar(Bar::Below(1_000.0)));
    let line = "first start ever, to the whole demo catalogue";
    bench.report.add(Line::figure(ROW, line, median(complete), Unit::Milliseconds));
    let line = "second start, to the first permitted list";
    let line = Line::figure(ROW, line, median(second), Unit::Milliseconds);
    bench.report.add(line.bar(Bar::Below(100.0)));
    Ok(())
}
