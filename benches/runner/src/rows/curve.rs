//! Permitted lists against the number of connections.

use std::time::Duration;

use super::reads::{list_paths, same_bytes};
use crate::{
    bench::Bench,
    contest::Figures,
    error::Outcome,
    load::{self, Load, Requests},
    report::{Line, Point},
    requests::reads,
    server::Server,
};

const CONNECTIONS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const WARM_UP: Duration = Duration::from_millis(200);

pub(crate) fn curve(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let service = bench.service()?;
    let paths = list_paths();
    let floor = same_bytes(bench, "curve", &service, &paths)?;
    let requests = reads(&base.users[..256], &paths);
    let time = bench.how.time.min(Duration::from_secs(1));
    for connections in CONNECTIONS {
        let theirs = figures(&floor, &requests, connections, time)?;
        let ours = figures(&service, &requests, connections, time)?;
        bench.report.floor_curve.push(Point::new(connections, &theirs));
        bench.report.curve.push(Point::new(connections, &ours));
        let what = format!("permitted list, {connections} connections");
        bench.report.add(Line::both("curve", what, [&theirs, &ours]));
    }
    Ok(())
}

fn figures(
    server: &Server,
    requests: &Requests,
    connections: usize,
    time: Duration,
) -> Outcome<Figures> {
    let load = Load::when_answered(connections, WARM_UP, time);
    let measured = load::run(server, requests, &load)?;
    measured.all_well()?;
    Ok(Figures::of(&measured))
}
