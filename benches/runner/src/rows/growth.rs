//! The same work over small and large stores: what must not grow with them.

use super::{memory::megabytes, reads::list_paths};
use crate::{
    bench::{Base, Bench, CLIENTS, HISTORY, LIST, USERS, started},
    contest::{Side, contest},
    error::{BenchError, Outcome},
    load::{Measured, Requests},
    report::{Bar, Line, Unit},
    requests::{FreshLists, marks, reads},
    seed::{self, Accounts},
    server::Server,
    users::{User, users},
};

/// Of the throughput over the small store.
const WITHIN: Bar = Bar::AtLeast(0.8);
/// Of the demo catalogue.
const FILMS: u32 = 3_000;
/// Numbers of the accounts that a row adds for itself.
const OTHERS: u32 = 10_000_000;
const REPORT: &str = "/api/v1/reports/me";

pub(crate) fn films(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let count = bench.how.films;
    let data = bench.copy()?;
    seed::films(data.path(), count)?;
    let user = base.users.first();
    let mut large = Server::watchme(data.path(), &[])?;
    let first = large.first_answer(user, LIST)?;
    large.stop()?;
    let mut large = Server::watchme(data.path(), &[])?;
    let second = large.first_answer(user, LIST)?;
    large.settle()?;
    let weight = megabytes(&large)?;
    let small = bench.service()?;

    let (few, many) = (totals(&small, user)?, totals(&large, user)?);
    let sides = [(&*small, &few), (&large, &many)];
    for path in list_paths() {
        small.api(user)?.text(&path)?;
        large.api(user)?.text(&path)?;
    }
    for (what, kind) in [
        ("first pages, remembered", Kind::Remembered),
        ("any page of any order and filter, not asked for before", Kind::Fresh),
        ("last pages, not asked for before", Kind::FreshLast),
    ] {
        let [one, other] =
            sides.map(|(server, lists)| Side { server, requests: kind.requests(&base, lists) });
        match contest(&one, &other, CLIENTS, &bench.how, Measured::all_well) {
            Ok(found) => {
                let what = format!("lists, {FILMS} and {count} films: {what}");
                bench.report.add(Line::throughput("films", what, &found).bar(WITHIN));
            }
            // One that fails says nothing of the others.
            Err(error) => bench.report.add_failure("films", &error),
        }
    }
    for (what, time) in [("first", first), ("second", second)] {
        let what = format!("{what} start over {count} films, to the first permitted list");
        bench.report.add(Line::figure("films", what, time.as_secs_f64() * 1e3, Unit::Milliseconds));
    }
    let what = format!("memory at rest with {count} films");
    bench.report.add(Line::figure("films", what, weight, Unit::Megabytes));
    Ok(())
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Kind {
    Remembered,
    Fresh,
    FreshLast,
}

impl Kind {
    fn requests(self, base: &Base, lists: &[(String, u64)]) -> Requests {
        let users = &base.users[..CLIENTS];
        match self {
            Self::Remembered => reads(users, &list_paths()),
            Self::Fresh => FreshLists { lists: lists.to_vec(), last: false }.requests(users),
            Self::FreshLast => {
                let whole = lists.iter().filter(|(path, _)| !path.contains('&')).cloned().collect();
                FreshLists { lists: whole, last: true }.requests(users)
            }
        }
    }
}

/// Lists in every order, whole and filtered, with the number of their pages.
fn totals(server: &Server, user: Option<&User>) -> Outcome<Vec<(String, u64)>> {
    const SORTS: [&str; 8] = [
        "popularity",
        "-popularity",
        "rating",
        "-rating",
        "releaseDate",
        "-releaseDate",
        "title",
        "-title",
    ];
    const FILTERS: [&str; 9] = [
        "",
        "&genreId=18",
        "&genreId=28",
        "&genreId=35,878",
        "&genreId=18,53&genreMode=all",
        "&yearFrom=1980&yearTo=1999",
        "&yearFrom=2000",
        "&minRating=6.5",
        "&genreId=28&minRating=5",
    ];
    let api = server.api(user)?;
    let mut lists = Vec::new();
    for filter in FILTERS {
        let found = api.get(&format!("{LIST}?sort=title{filter}"))?;
        let pages = found["pagination"]["totalPages"].as_u64().unwrap_or_default();
        if pages == 0 {
            return Err(BenchError::unexpected(format!("no film is found by {filter}")));
        }
        lists.extend(SORTS.map(|sort| (format!("{LIST}?sort={sort}{filter}"), pages)));
    }
    Ok(lists)
}

pub(crate) fn history(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let long = bench.how.history;
    let data = bench.copy()?;
    let clients = CLIENTS as u32;
    // Several for each client, so that there are films enough to mark.
    let (short_lived, long_lived) =
        (OTHERS..OTHERS + 4 * clients, 2 * OTHERS..2 * OTHERS + clients);
    for (numbers, marks) in [(short_lived.clone(), HISTORY), (long_lived.clone(), long)] {
        seed::accounts(data.path(), &Accounts { numbers, active: true, marks })?;
    }
    let service = started(data.path(), &base)?;
    let what = format!("a history of {HISTORY} and {long} films");
    let sides = [(&service, users(short_lived)?), (&service, users(long_lived)?)];
    reports_and_marks(bench, &base, "history", &what, &sides)
}

pub(crate) fn users_many(bench: &mut Bench) -> Outcome<()> {
    let base = bench.base()?;
    let many = bench.how.users;
    let data = bench.copy()?;
    seed::accounts(
        data.path(),
        &Accounts { numbers: OTHERS..OTHERS + many - USERS, active: false, marks: 1 },
    )?;
    // Films that no other row has marked.
    let few = bench.copy()?;
    let (small, large) = (started(few.path(), &base)?, started(data.path(), &base)?);
    let what = format!("{USERS} and {many} users");
    let these: Vec<User> = base.users[..2 * CLIENTS].to_vec();
    reports_and_marks(bench, &base, "users", &what, &[(&small, these.clone()), (&large, these)])
}

/// Loads both with reports, then with marks.
fn reports_and_marks(
    bench: &mut Bench,
    base: &Base,
    row: &'static str,
    what: &str,
    sides: &[(&Server, Vec<User>); 2],
) -> Outcome<()> {
    let [one, other] = sides.each_ref().map(|(server, users)| Side {
        server,
        requests: reads(&users[..CLIENTS], &[REPORT.to_owned()]),
    });
    let found = contest(&one, &other, CLIENTS, &bench.how, Measured::all_well)?;
    bench.report.add(Line::throughput(row, format!("report, {what}"), &found).bar(WITHIN));
    let [one, other] = sides
        .each_ref()
        .map(|(server, users)| Side { server, requests: marks(users, &base.films, CLIENTS) });
    let found = contest(&one, &other, CLIENTS, &bench.how, Measured::all_made)?;
    bench.report.add(Line::throughput(row, format!("mark, {what}"), &found).bar(WITHIN));
    Ok(())
}
