//! Every statement that runs often is answered by an index, without a scan or a sort: on SQLite
//! here, on MySQL with many rows in [`mysql`].

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod load;
mod mysql;
mod sessions;

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row, any::AnyRow};
use watchme_actors::{
    domain::{PageRequest, Timestamp, UserId},
    ports::MarkFilter,
};

use super::{
    SqlSettings, SqlStore, audit as sql_audit,
    dead_letters::BURIED,
    dialect::Dialect,
    errors::Db,
    housekeeping::{AUDIT_ENTRIES, IDEMPOTENCY_KEYS, MAIL_TOKENS, MAILS, SESSIONS, THROTTLES},
    mail_queue,
    outbox::{ERASED_BETWEEN, PUBLISHED, PURGEABLE, UNPUBLISHED},
    sessions::{COUNT, OF_USER, STANDING},
    subscriptions::{HOLDINGS, OVERLAP},
    watch_log::{
        LATEST, MOVE, REMOVE, SET_PLAYS, entitlement_sql, lock_sql,
        reading::{HISTORY, ONE, WATCHED, WATCHED_AT, count_query, page_query},
        sequences::{self, CHANGED_BETWEEN},
        together,
    },
};

/// How MySQL would carry a statement out, table by table.
async fn explain(conn: &mut AnyConnection, statement: &str, binds: &[mysql::Bind]) -> Vec<AnyRow> {
    let explain = AssertSqlSafe(format!("EXPLAIN FORMAT = TRADITIONAL {statement}"));
    let mut query = sqlx::query(explain).persistent(false);
    for bind in binds {
        query = match bind {
            mysql::Bind::Text(text) => query.bind(text.clone()),
            mysql::Bind::Number(number) => query.bind(*number),
        };
    }
    query.fetch_all(conn).await.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn execute(url: &str, statement: &str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn plan(store: &SqlStore, statement: &str) -> String {
    let rows = store
        .read(|mut tx| async move {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            sqlx::query(explain).fetch_all(&mut *tx).await.db()
        })
        .await
        .unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// Those of the audit log and of what expires, each with its index.
fn audit_statements() -> Vec<(&'static str, String, &'static str)> {
    let indexes = [
        "audit_log_actor",
        "audit_log_subject",
        "audit_log_action",
        "audit_log_at (at>? AND at<?)",
    ];
    let filtered = audit::filters(UserId::generate()).into_iter().zip(indexes);
    let paged = filtered.map(|((name, filter, _), index)| {
        let query = sql_audit::page_query(&filter, PageRequest::default());
        (name, query.into_string(), index)
    });
    let expiring = [
        ("audit entries", &AUDIT_ENTRIES, "audit_log_at (at<?)"),
        ("throttles", &THROTTLES, "throttles_expiry (expires_at<?)"),
        ("mail tokens", &MAIL_TOKENS, "mail_tokens_expiry (expires_at<?)"),
        ("sessions", &SESSIONS, "sessions_idle (idle_until<?)"),
        ("mails", &MAILS, "mail_queue_creation (created_at<?)"),
        ("idempotency keys", &IDEMPOTENCY_KEYS, "idempotency_keys_created (created_at<?)"),
    ];
    let deleted = expiring.map(|(name, kind, index)| (name, kind.delete.to_owned(), index));
    paged.chain(deleted).collect()
}

/// How one mark is found.
const MARK: &str = "marks_movie (movie_id=? AND user_id=?)";

#[tokio::test]
async fn hot_statements_use_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/watchme.db?mode=rwc", folder.path().display());
    let store = SqlStore::open(&SqlSettings::new(url)).await.unwrap();
    store.migrate().await.unwrap();

    let user = UserId::generate();
    let page =
        |filter| page_query(Dialect::Sqlite, user, &filter, PageRequest::default()).into_string();
    let count = |filter| count_query(Dialect::Sqlite, user, &filter).into_string();
    let dated = MarkFilter { from: Some(Timestamp::EPOCH), ..MarkFilter::default() };
    let of_genre = MarkFilter { genre: 18.try_into().ok(), ..MarkFilter::default() };
    let hot = [
        ("latest marks", LATEST.to_owned(), "USING PRIMARY KEY (user_id=?)"),
        ("marks", page(MarkFilter::default()), "USING PRIMARY KEY (user_id=?)"),
        ("marks since", page(dated), "USING PRIMARY KEY (user_id=? AND watched_at>?)"),
        ("marks of a genre", page(of_genre), "USING PRIMARY KEY (user_id=?)"),
        ("count marks", count(MarkFilter::default()), "USING PRIMARY KEY (user_id=?)"),
        ("mark", ONE.to_owned(), MARK),
        ("watched movies", WATCHED.to_owned(), "USING PRIMARY KEY (user_id=?)"),
        ("found together", together::FOUND.to_owned(), "SEARCH u USING PRIMARY KEY (id=?)"),
        ("marked together", together::FOUND.to_owned(), MARK),
        ("lock", lock_sql(Dialect::Sqlite).to_owned(), MARK),
        ("set plays", SET_PLAYS.to_owned(), MARK),
        ("move", MOVE.to_owned(), MARK),
        ("remove", REMOVE.to_owned(), MARK),
        ("watched at", WATCHED_AT.to_owned(), MARK),
        ("history", HISTORY.to_owned(), "SEARCH m USING PRIMARY KEY (user_id=?)"),
        ("holdings", HOLDINGS.to_owned(), "subscriptions_"),
        ("overlap", OVERLAP.to_owned(), "subscriptions_overlap (user_id=? AND package_id=?"),
        (
            "entitlement",
            entitlement_sql(Dialect::Sqlite).to_owned(),
            "subscriptions_holdings (user_id=? AND ends_at>?)",
        ),
        ("standing", STANDING.to_owned(), "SEARCH s USING PRIMARY KEY (id=?)"),
        ("sessions", OF_USER.to_owned(), "sessions_user (user_id=?)"),
        ("count sessions", COUNT.to_owned(), "sessions_user (user_id=?)"),
        ("unpublished", UNPUBLISHED.to_owned(), "outbox_waiting (state=?)"),
        ("buried", BURIED.to_owned(), "outbox_buried (state=? AND id>?)"),
        ("published", PUBLISHED.to_owned(), "outbox_published (state=? AND published_at>?"),
        (
            "erased between",
            ERASED_BETWEEN.to_owned(),
            "outbox_erased (created_at>? AND created_at<?)",
        ),
        ("purgeable", PURGEABLE.to_owned(), "outbox_published (state=? AND published_at<?)"),
        ("mails that are due", mail_queue::DUE.to_owned(), "mail_queue_next (next_at<?)"),
        (
            "sequences",
            sequences::of_query(&[user, UserId::generate()]).into_string(),
            "SEARCH users USING PRIMARY KEY (id=?)",
        ),
        ("users in order", sequences::AFTER.to_owned(), "SEARCH users USING PRIMARY KEY (id>?)"),
        (
            "changed between",
            CHANGED_BETWEEN.to_owned(),
            "users_watch_changed (watch_changed_at>? AND watch_changed_at<?)",
        ),
    ];
    for (name, statement, index) in hot.into_iter().chain(audit_statements()) {
        let plan = plan(&store, &statement).await;
        assert!(plan.contains(index), "{name}: {index} is not used:\n{plan}");
        // A list within a row, or that is asked with, is read from end to end.
        let tables = |line: &&str| !line.contains("VIRTUAL TABLE");
        let plan = plan.lines().filter(tables).collect::<Vec<_>>().join("\n");
        assert!(!plan.contains("SCAN"), "{name} scans:\n{plan}");
        // What one user holds or has watched may be sorted.
        if !matches!(name, "holdings" | "entitlement" | "watched movies") {
            assert!(!plan.contains("B-TREE"), "{name} sorts:\n{plan}");
        }
    }
}
