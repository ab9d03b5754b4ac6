//! Accounts with sessions, subscriptions, marks and reports.

use std::{
    ops::Range,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::File;
use crate::error::Outcome;

/// Numbers of marked films begin here: nobody finds such a film in a catalogue.
const FILMS: i64 = 900_000_000;
const DAY: i64 = 86_400_000;

/// Accounts that differ in nothing but their number.
pub(crate) struct Accounts {
    /// What identifiers are made of, and addresses.
    pub(crate) numbers: Range<u32>,
    /// Whether they are signed in, and hold every package instead of one.
    pub(crate) active: bool,
    /// How many films each has marked.
    pub(crate) marks: u32,
}

/// Adds accounts to the stores of a data folder, in which one account is registered: the others have
/// its password.
///
/// # Errors
/// When the tables are not those that this knows.
pub(crate) fn accounts(data: &Path, new: &Accounts) -> Outcome<()> {
    let mut sql = File::open(&data.join("watchme.db"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = i64::try_from(now).unwrap_or_default();
    let (first, after) = (i64::from(new.numbers.start), i64::from(new.numbers.end));
    let marks = i64::from(new.marks);
    sql.run("BEGIN", &[])?;
    sql.run(NUMBERS, &[first, after])?;
    sql.run(USERS, &[now - DAY, marks])?;
    if new.active {
        sql.run(SESSIONS, &[now, now + 30 * DAY])?;
    }
    sql.run(SUBSCRIPTIONS, &[now - DAY, i64::from(new.active)])?;
    sql.run(MARKS, &[marks, FILMS, now - DAY])?;
    sql.run("COMMIT", &[])?;

    // The reports are documents: in the other file.
    let documents = data.join("documents.db").to_string_lossy().into_owned();
    let File { runtime, connection } = &mut sql;
    runtime
        .block_on(sqlx::query("ATTACH ? AS documents").bind(documents).execute(&mut *connection))?;
    sql.run("BEGIN", &[])?;
    if marks > 0 {
        sql.run(REPORTS, &[FILMS + marks - 1])?;
    }
    // Reports that are right need not be looked through: they were, and not so lately that the look
    // would count as one in the future.
    sql.run(RECONCILED, &[now - 60_000])?;
    sql.run("DROP TABLE temp.numbers", &[])?;
    sql.run("COMMIT", &[])?;
    sql.run("DETACH documents", &[])?;
    sql.close()
}

const NUMBERS: &str = "CREATE TEMP TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
    SELECT i, '01900000-0000-7000-8000-' || printf('%012x', i) AS user_id,
        printf('%012x', i) AS digits FROM n";

/// Binds: when they were made, how many marks they have.
const USERS: &str = "INSERT INTO users (id, email, name, name_key, role, status, password_hash,
        created_at, updated_at, watch_seq, watch_changed_at)
    SELECT n.user_id, 'user' || n.i || '@bench.example', 'User ' || n.i, 'user ' || n.i,
        t.role, t.status, t.password_hash, ?1, ?1, ?2, CASE WHEN ?2 > 0 THEN ?1 END
    FROM temp.numbers n, (SELECT * FROM users WHERE role = 'user' ORDER BY created_at LIMIT 1) t";

/// Binds: now, when they end.
const SESSIONS: &str =
    "INSERT INTO sessions (id, user_id, created_at, used_at, idle_until, ends_at, token_hash)
    SELECT '01900000-0000-7000-9000-' || digits, user_id, ?1, ?1, ?2, ?2, lower(hex(randomblob(32)))
    FROM temp.numbers";

/// Binds: since when, whether every package or the first.
const SUBSCRIPTIONS: &str =
    "INSERT INTO subscriptions (id, user_id, package_id, version, starts_at, ends_at)
    SELECT '01900000-0000-7000-a' || printf('%03x', p.place) || '-' || n.digits,
        n.user_id, p.id, p.version, ?1, 9223372036854775807
    FROM temp.numbers n,
        (SELECT id, version, row_number() OVER (ORDER BY id) AS place FROM packages) p
    WHERE ?2 OR p.place = 1";

/// Binds: how many, the first film, when the first was watched.
const MARKS: &str =
    "WITH RECURSIVE m(i) AS (SELECT 0 WHERE ?1 > 0 UNION ALL SELECT i + 1 FROM m WHERE i + 1 < ?1)
    INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
    SELECT n.user_id, ?2 + m.i, 'Film ' || m.i,
        CASE m.i % 3 WHEN 0 THEN '[18,28]' WHEN 1 THEN '[35]' ELSE '[12,28,878]' END,
        ?3 + m.i, ?3 + m.i, m.i + 1,
        json_array(json_array(
            printf('01900000-%04x-7000-b000-', (m.i + 1) % 65536) || n.digits, ?3 + m.i, 0))
    FROM temp.numbers n, m";

/// Binds: the last film.
const REPORTS: &str = "INSERT INTO documents.projections (user_id, last_seq, document)
    SELECT k.user_id, k.marked_seq, json_object('userId', k.user_id, 'lastSeq', k.marked_seq,
        'totalFilms', k.marked_seq,
        'filmsByGenre', (SELECT json_group_object(CAST(genre_id AS TEXT), films) FROM (
            SELECT g.value AS genre_id, count(*) AS films
            FROM marks m CROSS JOIN json_each(m.genres) g
            WHERE m.user_id = k.user_id GROUP BY g.value)),
        'lastFilm', json_object('movieId', k.movie_id, 'movieName', k.title))
    FROM temp.numbers n JOIN marks k ON k.user_id = n.user_id AND k.movie_id = ?1";

/// Binds: when they were looked through.
const RECONCILED: &str = "INSERT INTO documents.sync_records (name, document)
    SELECT 'report-reconciler', json_object(
            'lastSuccess', strftime('%Y-%m-%dT%H:%M:%fZ', t.at / 1000.0, 'unixepoch'),
            'lastFailure', NULL, 'changed', 0)
    FROM (SELECT ?1 AS at) t WHERE true
    ON CONFLICT (name) DO UPDATE SET document = excluded.document";
