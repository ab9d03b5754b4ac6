//! On MySQL, with 100,000 users and 1,000,000 marks: no statement that runs often reads a table or
//! an index from one end to the other.

use sqlx::{AnyConnection, Connection, QueryBuilder, Row};
use uuid::Uuid;
use watchme_actors::{
    domain::{GenreId, PageRequest, Role, Timestamp, UserId},
    ports::{MarkFilter, PackageFilter, UserFilter},
};
use watchme_engines::Engine;

use super::{audit, execute, explain, load, sessions::of_sessions};
use crate::adapters::sql::{
    SqlSettings, SqlStore, accounts, dead_letters,
    dialect::Dialect,
    idempotency, mail_queue, mail_tokens, outbox, packages, subscriptions, throttles, watch_log,
    watch_log::{reading, sequences},
};

#[path = "../../../../tests/support/engines.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the test crates")]
mod engines;

/// A value of a statement.
#[derive(Clone)]
pub(super) enum Bind {
    Text(String),
    Number(i64),
}
use Bind::{Number, Text};

/// The most rows that a statement may expect to read: those of one user or one batch.
const ROWS: i64 = 2_500;

pub(super) struct Hot {
    name: &'static str,
    statement: String,
    binds: Vec<Bind>,
    /// Few rows of one user or package, or one row of a batch, may be sorted.
    sorts: bool,
    /// It may read the whole of a table or an index.
    reads_all: bool,
}

pub(super) fn hot(name: &'static str, statement: impl Into<String>, binds: &[Bind]) -> Hot {
    Hot { name, statement: statement.into(), binds: binds.to_vec(), sorts: false, reads_all: false }
}

pub(super) fn sorted(hot: Hot) -> Hot {
    Hot { sorts: true, ..hot }
}

pub(super) fn reading_all(hot: Hot) -> Hot {
    Hot { reads_all: true, ..hot }
}

pub(super) fn built(query: QueryBuilder<sqlx::Any>) -> String {
    query.into_string()
}

pub(super) fn user_text() -> Bind {
    Text("01980000-0000-7000-8000-000000054321".to_owned())
}

pub(super) fn user() -> UserId {
    "01980000-0000-7000-8000-000000054321".parse().unwrap()
}

fn of_accounts() -> Vec<Hot> {
    let user = user_text();
    let scope = Text("01980000-0000-7000-8000-000000054321 POST /plays".to_owned());
    let key = Text("key".to_owned());
    let mysql = Dialect::MySql;
    vec![
        hot("account", accounts::BY_ID, std::slice::from_ref(&user)),
        hot("login", accounts::BY_EMAIL, &[Text("u54321@example.com".to_owned())]),
        hot("lock an account", accounts::lock_sql(mysql), std::slice::from_ref(&user)),
        hot(
            "store another hash",
            accounts::REHASH,
            &[Text("new".to_owned()), user.clone(), Text("old".to_owned())],
        ),
        hot("any admin", accounts::ANY_ADMIN, &[]),
        sorted(hot("lock admins", accounts::lock_admins_sql(mysql), &[])),
        hot("expire a key", idempotency::EXPIRE, &[scope.clone(), key.clone(), Number(5)]),
        hot("an earlier answer", idempotency::EARLIER, &[scope.clone(), key]),
        hot(
            "forget a user's keys",
            idempotency::FORGET_OWN,
            &[
                Text("01980000-0000-7000-8000-000000054321 ".to_owned()),
                Text("01980000-0000-7000-8000-000000054321!".to_owned()),
            ],
        ),
        hot("forget keys about a user", idempotency::FORGET_ABOUT, &[user]),
        hot("forget a throttle", throttles::FORGET, &[Text("login:54321".to_owned())]),
        hot("done lately", throttles::NOT_YET, &[Text("login:54321".to_owned()), Number(5)]),
        hot("lock a throttle", throttles::lock_sql(mysql), &[Text("login:54321".to_owned())]),
    ]
}

/// The one exception: an admin's list of accounts. Its count is exact, and what it filters by may
/// stand anywhere in a name or an address, so that no index can answer it, and with the count all is
/// read anyway. It runs as often as an admin turns a page. What it may not do is to sort them all:
/// accounts are read in the order of the list, from the nearer end, up to the end of the page.
fn of_the_admins_list() -> Vec<Hot> {
    const TOTAL: u64 = 100_000;
    let all = UserFilter::default();
    let named = UserFilter { name: Some("ser 7".to_owned()), ..all.clone() };
    let addressed = UserFilter { email: Some("7@".to_owned()), ..all.clone() };
    let of_role = UserFilter { role: Some(Role::User), ..all.clone() };
    let last = PageRequest::new(5_000, 20).unwrap();
    let paged = |filter: &UserFilter, page| built(accounts::page_query(filter, page, TOTAL).0);
    let first = |filter| paged(filter, PageRequest::default());
    let counted = |filter| built(accounts::count_query(filter));
    let page = [Number(20), Number(0)];
    let (name, email) = (Text("%ser 7%".to_owned()), Text("%7@%".to_owned()));
    let role = Text("user".to_owned());
    [
        hot("users", first(&all), &page),
        hot("last users", paged(&all, last), &page),
        hot("count users", counted(&all), &[]),
        hot(
            "users of a name",
            first(&named),
            &[std::slice::from_ref(&name), page.as_slice()].concat(),
        ),
        hot("count users of a name", counted(&named), &[name]),
        hot(
            "users of an address",
            first(&addressed),
            &[std::slice::from_ref(&email), page.as_slice()].concat(),
        ),
        hot("count users of an address", counted(&addressed), &[email]),
        hot(
            "users of a role",
            first(&of_role),
            &[std::slice::from_ref(&role), page.as_slice()].concat(),
        ),
        hot("count users of a role", counted(&of_role), &[role]),
    ]
    .map(reading_all)
    .into()
}

fn of_mails() -> Vec<Hot> {
    let (address, digest) = (Text("u54321@example.com".to_owned()), Text("0".repeat(64)));
    let word = Text("recovery".to_owned());
    vec![
        hot("mails that are due", mail_queue::DUE, &[Number(1_000), Number(8)]),
        hot("forget mails to an address", mail_queue::FORGET_ADDRESS, &[address]),
        hot("forget mails about a user", mail_queue::FORGET_USER, &[user_text()]),
        hot("token", mail_tokens::FIND, &[digest, word, Number(5)]),
        hot("forget tokens of a user", mail_tokens::FORGET_USER, &[user_text()]),
    ]
}

fn of_packages() -> Vec<Hot> {
    let user = user_text();
    let package = Text("01980000-0000-7000-9000-000000000042".to_owned());
    let subscription = Text("01980000-0000-7000-a000-000000054321".to_owned());
    let page = [Number(20), Number(0)];
    let all = PackageFilter::default();
    let of_genre = PackageFilter { genre: GenreId::try_from(18).ok(), ..all.clone() };
    let versions = [("01980000-0000-7000-9000-000000000042".parse().unwrap(), 1); 3];
    let of_versions: Vec<Bind> =
        versions.iter().flat_map(|_| [package.clone(), Number(1)]).collect();
    vec![
        hot("package", packages::ONE, std::slice::from_ref(&package)),
        sorted(hot("packages", built(packages::page_query(&all, PageRequest::default())), &page)),
        hot("count packages", built(packages::count_query(&all)), &[]),
        sorted(hot(
            "packages of a genre",
            built(packages::page_query(&of_genre, PageRequest::default())),
            &[&[Number(18)], page.as_slice()].concat(),
        )),
        hot(
            "versions",
            packages::VERSIONS,
            &[std::slice::from_ref(&package), page.as_slice()].concat(),
        ),
        hot("genres of versions", built(packages::genres_query(&versions)), &of_versions),
        hot("subscription", subscriptions::ONE, &[subscription]),
        hot(
            "subscriptions",
            subscriptions::OF_USER,
            &[std::slice::from_ref(&user), page.as_slice()].concat(),
        ),
        hot("count subscriptions", subscriptions::COUNT_OF_USER, std::slice::from_ref(&user)),
        sorted(hot("holdings", subscriptions::HOLDINGS, &[user.clone(), Number(10)])),
        hot("overlap", subscriptions::OVERLAP, &[user, package, Number(10), Number(20)]),
    ]
}

fn of_marks() -> Vec<Hot> {
    let id = user();
    let user = user_text();
    let movie = Number(3);
    let page = [Number(20), Number(0)];
    let all = MarkFilter::default();
    let since = MarkFilter { from: Some(Timestamp::from_millis(5)), ..all };
    let of_genre = MarkFilter { genre: GenreId::try_from(18).ok(), ..all };
    let mysql = Dialect::MySql;
    let paged = |filter| built(reading::page_query(mysql, id, &filter, PageRequest::default()));
    let counted = |filter| built(reading::count_query(mysql, id, &filter));
    let of_user = std::slice::from_ref(&user);
    vec![
        hot("lock a user", watch_log::lock_sql(mysql), &[movie.clone(), user.clone()]),
        hot("entitlement", watch_log::entitlement_sql(mysql), &[user.clone(), Number(10)]),
        hot("latest marks", watch_log::LATEST, of_user),
        hot("mark", reading::ONE, &[user.clone(), movie.clone()]),
        hot("marks", paged(all), &[of_user, page.as_slice()].concat()),
        hot("marks since", paged(since), &[of_user, &[Number(5)], page.as_slice()].concat()),
        hot(
            "marks of a genre",
            paged(of_genre),
            &[of_user, &[Number(18)], page.as_slice()].concat(),
        ),
        hot("count marks", counted(all), of_user),
        hot("count marks since", counted(since), &[user.clone(), Number(5)]),
        hot("count marks of a genre", counted(of_genre), &[user.clone(), Number(18)]),
        hot("watched movies", reading::WATCHED, of_user),
        hot("history", reading::HISTORY, of_user),
        hot("sequences", built(sequences::of_query(&[id, id])), &[user.clone(), user]),
        // Near the end: what is estimated is all that comes behind the place.
        hot(
            "users in order",
            sequences::AFTER,
            &[Text("01980000-0000-7000-8000-000000099000".to_owned()), Number(500)],
        ),
        hot(
            "changed between",
            sequences::CHANGED_BETWEEN,
            &[Number(1_500_000), Number(1_510_000), Number(1_505_000), user_text(), Number(100)],
        ),
    ]
}

/// What is asked of several users at once.
fn of_marks_together() -> Vec<Hot> {
    let user = |n: u32| uuid::Uuid::parse_str(&format!("01980000-0000-7000-8000-{n:012}")).unwrap();
    let users: Vec<_> = (54_321..54_385).map(user).collect();
    let asked = watch_log::together::asked_on_a_server(&users);
    ["lock users", "marked already", "latest of each", "held by each"]
        .into_iter()
        .zip(asked)
        .map(|(name, statement)| hot(name, statement, &[]))
        .collect()
}

fn of_outbox() -> Vec<Hot> {
    let ids: Vec<i64> = (999_100..999_200).collect();
    let list: Vec<Bind> = ids.iter().copied().map(Number).collect();
    let now = Timestamp::from_millis(5);
    let event = Text("000000054321-0003-7000-8000-0000000".to_owned());
    let owner = Text("owner".to_owned());
    vec![
        hot("unpublished", outbox::UNPUBLISHED, &[Number(500)]),
        hot("backlog", outbox::BACKLOG, &[]),
        hot("purgeable", outbox::PURGEABLE, &[Number(100), Number(500)]),
        hot(
            "published",
            outbox::PUBLISHED,
            &[Number(990_000), Number(991_000), Number(990_500), Number(7), Number(500)],
        ),
        hot(
            "erased between",
            outbox::ERASED_BETWEEN,
            &[Number(500_000), Number(510_000), Number(505_000), Number(7), Number(500)],
        ),
        hot("last published", outbox::LAST_PUBLISHED, &[]),
        hot("bury", outbox::BURY, &[Number(1), Text("reason".to_owned()), event]),
        sorted(hot("buried", dead_letters::BURIED, &[Number(0), Number(100)])),
        hot("replay", dead_letters::REPLAY, &[Number(72)]),
        hot(
            "mark as published",
            built(outbox::publish_query(&ids, now)),
            &[&[Number(5)], list.as_slice()].concat(),
        ),
        hot("let wait again", built(outbox::republish_query(&ids)), &list),
        hot("purge", built(outbox::purge_query(&ids)), &list),
        hot(
            "lease",
            Dialect::MySql.take_lease(),
            &[owner.clone(), Number(10), Text("relay".to_owned()), owner],
        ),
    ]
}

/// What is wrong with a plan, if anything is.
async fn faults(connection: &mut AnyConnection, hot: &Hot) -> Vec<String> {
    let rows = explain(connection, &hot.statement, &hot.binds).await;
    assert!(!rows.is_empty(), "{} has no plan", hot.name);
    let mut faults = Vec::new();
    for row in &rows {
        let text = |column| row.try_get::<Option<String>, _>(column).unwrap().unwrap_or_default();
        let (table, access, extra) = (text("table"), text("type"), text("Extra"));
        let count: i64 = row.try_get::<Option<i64>, _>("rows").unwrap().unwrap_or_default();
        let mut fault = |what: &str| {
            faults.push(format!("{}: {what}: {table} {access} {count} {extra}", hot.name));
        };
        // A table that a subquery made is as small as what it was made from.
        let derived = table.starts_with('<');
        // An operator has few packages, and a page of them is most of what there is. With which of
        // their tables the server begins depends on its samples of them.
        let few = (table == "p" && count <= 100) || (table == "g" && count <= 600);
        if matches!(access.as_str(), "ALL" | "index") && !derived && !few && !hot.reads_all {
            fault("reads all of it");
        }
        let counts = hot.reads_all && hot.statement.starts_with("SELECT COUNT");
        if count > ROWS && !derived && !counts && !extra.contains("Select tables optimized away") {
            fault("reads too many rows");
        }
        if !hot.sorts && (extra.contains("filesort") || extra.contains("temporary")) {
            fault("sorts");
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_statements_use_an_index_on_mysql() {
    let Some(server) = engines::url(Engine::MySql) else { return };
    let name = format!("watchme_plans_{}", Uuid::new_v4().simple());
    execute(&server, &format!("CREATE DATABASE {name}")).await;
    let mut url: url::Url = server.parse().unwrap();
    url.set_path(&name);
    // In a task, so that the database goes whatever becomes of it.
    let judged = tokio::spawn(async move { judge(url.as_str()).await }).await;
    execute(&server, &format!("DROP DATABASE {name}")).await;
    let found = judged.unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Everything that is wrong with the plans of hot statements.
async fn judge(url: &str) -> Vec<String> {
    let store = SqlStore::open(&SqlSettings::new(url)).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    load::fill(url).await;

    let mut connection = AnyConnection::connect(url).await.unwrap();
    let statements = [
        of_accounts(),
        of_sessions(),
        of_the_admins_list(),
        of_mails(),
        of_packages(),
        of_marks(),
        of_outbox(),
        of_marks_together(),
        audit::of_audit(),
        audit::of_housekeeping(),
    ];
    let mut found = Vec::new();
    for hot in statements.iter().flatten() {
        found.extend(faults(&mut connection, hot).await);
    }
    // The judge can see a fault: this one is none of ours.
    let scan = hot("scan", "SELECT id FROM users WHERE name = ?", &[Text("User 7".to_owned())]);
    assert!(!faults(&mut connection, &scan).await.is_empty());
    connection.close().await.unwrap();
    found
}
