//! Thousands of connections that are mostly idle.

use std::{sync::Arc, time::Duration};

use crate::{
    bench::{Bench, LIST, started},
    error::Outcome,
    load::{self, Load},
    report::{Bar, Line, Unit},
    requests::reads,
};

/// Requests a second of all together: with 10,000 connections each thinks for ten seconds.
const RATE: f64 = 1_000.0;
const ROW: &str = "connections";
/// Descriptors that a process has beside its connections.
const OTHERS: u64 = 300;

pub(crate) fn held(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let data = bench.copy()?;
    // Children inherit the limit, so it is the same for both sides.
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let wanted = u64::from(bench.how.connections);
    let connections = wanted.min(limit.saturating_sub(OTHERS)).max(1);
    let service = started(data.path(), &base)?;
    // Each connection is used at least twice, so that one that was closed meanwhile is found out.
    let thinking = Duration::from_secs_f64(connections as f64 / RATE);
    let time = if bench.how.quick { thinking.mul_f64(1.1) } else { thinking.mul_f64(2.5) };
    let requests = reads(&base.users, &[LIST.to_owned()]);
    let connections_number = usize::try_from(connections).unwrap_or(usize::MAX);
    // Nobody connects to be silent for ten seconds: who does is taken for a slow peer.
    let greeting = Some(Arc::clone(&requests));
    let load = Load { greeting, ..Load::arriving(RATE, connections_number, time) };
    let measured = load::run(&service, &requests, &load)?;

    let what = format!("{connections} connections, 1,000 requests a second");
    let lost = measured.lost() + measured.refused + measured.unsent;
    let mut line =
        Line::figure(ROW, format!("{what}: p95"), measured.percentile(95.0), Unit::Milliseconds)
            .bar(Bar::Below(5.0));
    if connections < wanted {
        line = line.note(format!("of {wanted} only so many: descriptors are limited to {limit}"));
    }
    bench.report.add(line);
    let mut line =
        Line::figure(ROW, format!("{what}: lost"), lost as f64, Unit::Count).bar(Bar::AtMost(0.0));
    if lost > 0 {
        line = line.note(measured.sample.clone().unwrap_or_default());
    }
    bench.report.add(line);
    let memory = measured.memory as f64 / 1e6;
    let line = Line::figure(ROW, format!("{what}: memory"), memory, Unit::Megabytes);
    bench.report.add(line.bar(Bar::Below(200.0)));
    Ok(())
}
