//! What the service weighs.

use std::{thread::sleep, time::Duration};

use super::reads::list_paths;
use crate::{
    bench::{Bench, CLIENTS, started},
    error::Outcome,
    load::{self, Load},
    report::{Bar, Line, Unit},
    requests::{logins, marks, reads},
    server::Server,
};

const ROW: &str = "memory";
const LOGINS: u64 = 1_000;
const LOGIN_CLIENTS: usize = 32;
/// For what is remembered only for a moment.
const PAUSE: Duration = Duration::from_secs(2);

pub(crate) fn memory(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let data = bench.copy()?;
    let service = started(data.path(), &base)?;
    weigh(bench, &service, "at rest", 40.0)?;

    let time = 3 * bench.how.time;
    let load = Load::when_answered(CLIENTS, Duration::ZERO, time);
    let users = &base.users[..CLIENTS];
    for requests in [
        reads(users, &list_paths()),
        reads(users, &["/api/v1/reports/me".to_owned()]),
        marks(&base.users, &base.films, CLIENTS),
    ] {
        load::run(&service, &requests, &load)?.all_well()?;
    }
    weigh(bench, &service, "after lists, reports and marks", 120.0)?;

    let emails: Vec<_> = base.users.iter().map(|user| user.email.clone()).collect();
    let requests = logins(&emails);
    let mut done = 0;
    while done < LOGINS {
        let load = Load::when_answered(LOGIN_CLIENTS, Duration::ZERO, PAUSE);
        let measured = load::run(&service, &requests, &load)?;
        measured.all_well()?;
        done += measured.answered;
    }
    weigh(bench, &service, &format!("after {done} logins"), 120.0)
}

fn weigh(bench: &mut Bench, service: &Server, when: &str, bar: f64) -> Outcome<()> {
    sleep(PAUSE);
    service.settle()?;
    let line = Line::figure(ROW, format!("memory {when}"), megabytes(service)?, Unit::Megabytes);
    bench.report.add(line.bar(Bar::Below(bar)));
    Ok(())
}

pub(super) fn megabytes(service: &Server) -> Outcome<f64> {
    Ok(service.memory()? as f64 / 1e6)
}
