//! Reads, against a server that verifies the same token and sends the same bytes.

use std::{collections::HashMap, fs, rc::Rc};

use crate::{
    bench::{Base, Bench, CLIENTS, LIST},
    contest::{Contest, Side, contest},
    error::Outcome,
    load::Measured,
    report::{Bar, Line},
    requests::reads,
    seed,
    server::Server,
};

/// Different pages that are asked for.
const PAGES: usize = 20;
/// Of the floor's throughput.
const THROUGHPUT: Bar = Bar::AtLeast(0.8);
/// Of the floor's CPU.
const CPU: Bar = Bar::AtMost(1.3);

pub(crate) fn list(bench: &mut Bench) -> Outcome<()> {
    let contest = against_same_bytes(bench, "list", &list_paths())?;
    let line = Line::throughput("list", "permitted list, ten movies", &contest);
    bench.report.add(line.bar(THROUGHPUT));
    let line = Line::cpu("list", "permitted list: CPU of an answer", &contest);
    bench.report.add(line.bar(CPU));
    Ok(())
}

pub(crate) fn details(bench: &mut Bench) -> Outcome<()> {
    let films = bench.base()?.films;
    let paths: Vec<_> = films.iter().take(PAGES).map(|film| format!("{LIST}/{film}")).collect();
    simple(bench, "details", "details of a movie", &paths)
}

pub(crate) fn genres(bench: &mut Bench) -> Outcome<()> {
    simple(bench, "genres", "genres", &["/api/v1/genres".to_owned()])
}

pub(crate) fn packages(bench: &mut Bench) -> Outcome<()> {
    simple(bench, "packages", "packages", &["/api/v1/packages".to_owned()])
}

fn simple(bench: &mut Bench, row: &'static str, what: &str, paths: &[String]) -> Outcome<()> {
    let contest = against_same_bytes(bench, row, paths)?;
    bench.report.add(Line::throughput(row, what, &contest).bar(THROUGHPUT));
    Ok(())
}

pub(crate) fn report(bench: &mut Bench) -> Outcome<()> {
    const PATH: &str = "/api/v1/reports/me";
    let base = bench.base()?;
    let service = bench.service()?;
    // All have watched the same.
    let (first, mut bodies) = (base.users.first(), Vec::new());
    let body = service.api(first)?.text(PATH)?;
    let name = first.map_or("", |user| user.id.as_str());
    for user in base.users.iter() {
        bodies.push((user.id.clone(), body.replace(name, &user.id)));
    }
    let rows = bench.place("rows.db");
    if !rows.exists() {
        seed::rows(&rows, &bodies)?;
    }
    let floor = Server::floor("row", rows.as_os_str())?;
    let contest = against(bench, &floor, &base, &[PATH.to_owned()])?;
    let line = Line::throughput("report", "own report", &contest);
    bench.report.add(line.bar(THROUGHPUT));
    Ok(())
}

/// The first pages of the list.
pub(super) fn list_paths() -> Vec<String> {
    (1..=PAGES).map(|page| format!("{LIST}?pageNumber={page}")).collect()
}

/// A floor that sends what the service sends for these paths.
pub(super) fn same_bytes(
    bench: &mut Bench,
    row: &str,
    service: &Rc<Server>,
    paths: &[String],
) -> Outcome<Server> {
    let api = service.api(bench.base()?.users.first())?;
    let mut bodies = HashMap::new();
    for path in paths {
        bodies.insert(path, api.text(path)?);
    }
    let file = bench.place(&format!("{row}.json"));
    fs::write(&file, serde_json::to_vec(&bodies)?)?;
    Server::floor("answers", file.as_os_str())
}

fn against_same_bytes(bench: &mut Bench, row: &str, paths: &[String]) -> Outcome<Contest> {
    let base = bench.base()?;
    let service = bench.service()?;
    let floor = same_bytes(bench, row, &service, paths)?;
    against(bench, &floor, &base, paths)
}

fn against(bench: &mut Bench, floor: &Server, base: &Base, paths: &[String]) -> Outcome<Contest> {
    let service = bench.service()?;
    let requests = reads(&base.users[..CLIENTS], paths);
    let floor = Side { server: floor, requests: requests.clone() };
    let watchme = Side { server: &service, requests };
    contest(&floor, &watchme, CLIENTS, &bench.how, Measured::all_well)?.same_bodies()
}
