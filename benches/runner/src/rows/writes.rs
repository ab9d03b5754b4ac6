//! Marks, against a server that inserts one row for each request.

use std::{ffi::OsStr, ops::Range};

use serde_json::json;
use sqlx::{Connection, MySqlConnection};
use tokio::runtime::Builder;
use watchme_engines::{Engine, Options, private};

use crate::{
    bench::{Bench, CLIENTS, permitted, register},
    contest::{Contest, Side, contest},
    error::{BenchError, Outcome},
    load::Measured,
    report::{Bar, Line},
    requests::marks,
    server::Server,
    users::{PASSWORD, User, email},
};

/// Of the accounts these mark by 64 at once …
const MARKING: Range<usize> = 0..192;
/// … and these one after the other; those after them overload.
const ALONE: Range<usize> = 192..256;
pub(super) const OVERLOADING: Range<usize> = 256..1_000;

pub(crate) fn mark(bench: &mut Bench) -> Outcome<()> {
    let contest = on_sqlite(bench, "mark", CLIENTS, MARKING)?;
    bench.report.add(
        Line::throughput("mark", "mark, SQLite FULL, 64 clients", &contest).bar(Bar::AtLeast(2.0)),
    );
    Ok(())
}

pub(crate) fn mark_alone(bench: &mut Bench) -> Outcome<()> {
    let contest = on_sqlite(bench, "mark-alone", 1, ALONE)?;
    bench.report.add(
        Line::throughput("mark-alone", "mark, SQLite FULL, one client", &contest)
            .bar(Bar::AtLeast(0.5)),
    );
    Ok(())
}

fn on_sqlite(
    bench: &mut Bench,
    row: &str,
    clients: usize,
    accounts: Range<usize>,
) -> Outcome<Contest> {
    let base = bench.base()?;
    let service = bench.service()?;
    let mut file = bench.place(row).into_os_string();
    file.push(".db");
    let mut url = OsStr::new("sqlite://").to_owned();
    url.push(file);
    let floor = Server::floor("insert", &url)?;
    // Each side has its own turns: no film is left out by one because the other has marked it.
    let requests = || marks(&base.users[accounts.clone()], &base.films, clients);
    let floor = Side { server: &floor, requests: requests() };
    let watchme = Side { server: &service, requests: requests() };
    contest(&floor, &watchme, clients, &bench.how, Measured::all_made)
}

pub(crate) fn mark_mysql(bench: &mut Bench) -> Outcome<()> {
    let engine = private(Engine::MySql, &Options::default())
        .map_err(|error| BenchError::Skipped(error.to_string()))?;
    let database = |name: &str| format!("{}/{name}", engine.url());
    let (floors, ours) = (database("floor"), database("watchme"));
    create(engine.url())?;
    let floor = Server::floor("insert", OsStr::new(&floors))?;
    let mut service = Server::watchme(&bench.place("mysql"), &[("DATABASE_URL", &ours)])?;
    service.complete()?;
    let users = sign_up(&service, CLIENTS)?;
    let films = permitted(&service, users.first())?;

    let requests = || marks(&users, &films, CLIENTS);
    let floor = Side { server: &floor, requests: requests() };
    let watchme = Side { server: &service, requests: requests() };
    let contest = contest(&floor, &watchme, CLIENTS, &bench.how, Measured::all_made)?;
    bench.report.add(
        Line::throughput("mark-mysql", "mark, MySQL, 64 clients", &contest).bar(Bar::AtLeast(0.5)),
    );
    Ok(())
}

fn create(url: &str) -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = MySqlConnection::connect(url).await?;
        for statement in ["CREATE DATABASE floor", "CREATE DATABASE watchme"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        connection.close().await
    })?;
    Ok(())
}

/// Makes accounts by hand, with every package.
fn sign_up(service: &Server, number: usize) -> Outcome<Vec<User>> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut users = Vec::new();
    for email in (0..).map(email).take(number) {
        register(service, &email)?;
        let login = json!({ "email": email, "password": PASSWORD });
        let session = service.api(None)?.post("/api/v1/auth/login", &login)?;
        let user = User { id: String::new(), email, token: text(&session["accessToken"]) };
        let api = service.api(Some(&user))?;
        let packages = api.get("/api/v1/packages?pageSize=100")?;
        for package in packages["data"].as_array().map_or(&[][..], Vec::as_slice) {
            api.post("/api/v1/subscriptions", &json!({ "packageId": text(&package["id"]) }))?;
        }
        users.push(user);
    }
    Ok(users)
}
