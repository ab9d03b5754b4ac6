//! What is asked of many users at once, and changed for them, on each engine.
//!
//! A list of what is meant goes to SQLite as JSON, whose statements are then the same for any number
//! and stay prepared. A server is asked by lists of identifiers, so that it knows whose rows it locks,
//! and changes by one JSON text for all statements.

use serde::Serialize;
use uuid::Uuid;
use watchme_actors::ports::StoreError;

use crate::adapters::sql::{batch::Batch, dialect::Dialect, rows::to_json};

/// What a mark depends on.
#[derive(Serialize)]
pub(super) struct Question<'a> {
    pub(super) user: &'a Uuid,
    pub(super) movie: i64,
    /// The earliest moment of what the user holds.
    pub(super) from: i64,
}

/// A new mark.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) user: Uuid,
    pub(super) movie: i64,
    pub(super) title: String,
    pub(super) genres: String,
    pub(super) watched: i64,
    pub(super) now: i64,
    pub(super) seq: i64,
    /// 1 for the last of its user's.
    pub(super) last: i64,
    pub(super) plays: String,
    pub(super) event: Uuid,
    pub(super) kind: &'static str,
    pub(super) payload: String,
    pub(super) trace: Option<String>,
}

/// Everything about a mark in a row: to take a row over costs more than to find it. What the users hold is
/// as [`super::super::transaction::entitlement_sql`] gives it.
pub(in crate::adapters::sql) const FOUND: &str = r#"SELECT r.key AS n, u.watch_seq, u.cancelled_at,
        EXISTS (SELECT 1 FROM marks
            WHERE user_id = u.id AND movie_id = r.value ->> 'movie') AS marked,
        (SELECT json_array(movie_id, title, watched_at, marked_seq) FROM marks
            WHERE user_id = u.id ORDER BY watched_at DESC, marked_seq DESC LIMIT 1) AS latest,
        (SELECT '[' || group_concat('{"genres":' || v.genres || ',"from":' || s.starts_at
                || ',"to":' || s.ends_at || '}') || ']'
            FROM subscriptions s
            CROSS JOIN packages p ON p.id = s.package_id
            CROSS JOIN package_versions v ON v.package_id = p.id AND v.version =
                CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END
            WHERE s.user_id = u.id AND s.ends_at > r.value ->> 'from') AS held
     FROM jsonb_each(?) r CROSS JOIN users u ON u.id = r.value ->> 'user'"#;

/// On a server the rows are locked, each kind by a question of its own. Who waits for a user's row
/// holds up nobody else: the row is left out.
const SERVER_LOCKED: [&str; 2] = [
    "SELECT id AS user_id, watch_seq, cancelled_at FROM users WHERE id IN (",
    ") FOR UPDATE SKIP LOCKED",
];
/// Who has marked the movie already.
const SERVER_MARKED: [&str; 2] =
    ["SELECT user_id, movie_id FROM marks WHERE (user_id, movie_id) IN (", ")"];
/// The latest mark of each user, in one value, so that it is looked for once. Ordered by the user as
/// well, or the index would not be seen to give that order.
const SERVER_LATEST: [&str; 2] = [
    "SELECT u.id AS user_id, (
        SELECT CAST(JSON_ARRAY(movie_id, title, watched_at, marked_seq) AS CHAR)
        FROM marks FORCE INDEX (marks_latest) WHERE user_id = u.id
        ORDER BY user_id, watched_at DESC, marked_seq DESC LIMIT 1) AS latest
     FROM users u WHERE u.id IN (",
    ")",
];
/// What the users hold. Locked row by row in this order, as the single one is: a join that read whole tables could have
/// read a version before it waits for the package.
const SERVER_HELD: [&str; 3] = [
    "SELECT /*+ JOIN_FIXED_ORDER() NO_BNL() */ s.user_id, v.genres, s.starts_at, s.ends_at
     FROM subscriptions s
     JOIN packages p ON p.id = s.package_id
     JOIN package_versions v ON v.package_id = p.id AND v.version =
        CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END
     WHERE s.user_id IN (",
    ") AND s.ends_at > ",
    " LOCK IN SHARE MODE",
];

/// Locks the users' rows and asks for what their marks depend on: see [`super::found`].
pub(super) fn ask(dialect: Dialect, questions: &[Question<'_>]) -> Result<Batch, StoreError> {
    match dialect {
        Dialect::Sqlite => {
            let questions = to_json(questions)?;
            Ok(Batch::new().then(FOUND).bind(questions))
        }
        Dialect::MySql => {
            let many = questions.len();
            let users = |batch: Batch, [before, after]: [&'static str; 2]| {
                let batch = batch.then(before).rows("?", many).and(after);
                questions.iter().fold(batch, |batch, question| batch.bind(question.user))
            };
            let mut batch = users(Batch::new(), SERVER_LOCKED);
            let [before, after] = SERVER_MARKED;
            batch = batch.then(before).rows("(?, ?)", many).and(after);
            for question in questions {
                batch = batch.bind(question.user).bind(question.movie);
            }
            batch = users(batch, SERVER_LATEST);
            let [before, from, after] = SERVER_HELD;
            batch = users(batch, [before, from]).and("?").and(after);
            let from = questions.iter().map(|question| question.from).min();
            Ok(batch.bind(from.unwrap_or_default()))
        }
    }
}

/// Binds, each: the marks.
const CHANGES: [&str; 3] = [
    "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, traceparent)
     SELECT value ->> 'event', value ->> 'user', value ->> 'kind', value ->> 'payload',
        value ->> 'now', value ->> 'trace'
     FROM jsonb_each(?) ORDER BY key",
    "INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
     SELECT value ->> 'user', value ->> 'movie', value ->> 'title', value ->> 'genres',
        value ->> 'watched', value ->> 'now', value ->> 'seq', value ->> 'plays'
     FROM jsonb_each(?)",
    "UPDATE users SET watch_seq = m.value ->> 'seq', watch_changed_at = m.value ->> 'now'
     FROM jsonb_each(?) m WHERE users.id = m.value ->> 'user' AND m.value ->> 'last' = 1",
];

/// The marks as a server reads them.
macro_rules! marks {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (n FOR ORDINALITY,
            user CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.user',
            movie BIGINT PATH '$.movie', title TEXT PATH '$.title', genres TEXT PATH '$.genres',
            watched BIGINT PATH '$.watched', at BIGINT PATH '$.now', seq BIGINT PATH '$.seq',
            last SMALLINT PATH '$.last',
            plays TEXT PATH '$.plays',
            event CHAR(36) PATH '$.event', kind VARCHAR(16) PATH '$.kind',
            payload MEDIUMTEXT PATH '$.payload', trace CHAR(55) PATH '$.trace')) m"
    };
}

const SERVER_CHANGES: [&str; 3] = [
    concat!(
        "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, traceparent)
         SELECT m.event, m.user, m.kind, m.payload, m.at, m.trace FROM ",
        marks!(),
        " ORDER BY m.n"
    ),
    concat!(
        "INSERT INTO marks
            (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
         SELECT m.user, m.movie, m.title, m.genres, m.watched, m.at, m.seq, m.plays FROM ",
        marks!()
    ),
    concat!(
        "UPDATE ",
        marks!(),
        " STRAIGHT_JOIN users u ON u.id = m.user AND m.last = 1
         SET u.watch_seq = m.seq, u.watch_changed_at = m.at"
    ),
];

/// Makes the marks, with their events and the users' numbers.
pub(super) fn change(dialect: Dialect, rows: &[Row]) -> Result<Batch, StoreError> {
    let changes = match dialect {
        Dialect::Sqlite => CHANGES,
        Dialect::MySql => SERVER_CHANGES,
    };
    let rows = to_json(rows)?;
    Ok(changes
        .into_iter()
        .fold(Batch::new(), |batch, change| batch.then(change).bind(rows.as_str())))
}

/// The questions about as many users, one by one, as a server gets them.
#[cfg(test)]
pub(in crate::adapters::sql) fn asked_on_a_server(users: &[Uuid]) -> Vec<String> {
    let question = |user| Question { user, movie: 3, from: 10 };
    let questions: Vec<_> = users.iter().map(question).collect();
    ask(Dialect::MySql, &questions).map(|batch| batch.written_out()).unwrap_or_default()
}
