//! A MySQL database with 100,000 users and 1,000,000 marks, and everything that comes with them.

use sqlx::{AnyConnection, Connection, raw_sql};

/// Ten rows.
macro_rules! ten {
    () => {
        "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL
          SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL
          SELECT 8 UNION ALL SELECT 9)"
    };
}

/// What the rest is made from. Identifiers ascend, as those of UUID version 7 do.
const USERS: &str = concat!(
    "CREATE TEMPORARY TABLE numbers (n INT NOT NULL PRIMARY KEY);
     INSERT INTO numbers SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n FROM ",
    ten!(),
    " a, ",
    ten!(),
    " b, ",
    ten!(),
    " c, ",
    ten!(),
    " d, ",
    ten!(),
    " e;
     INSERT INTO users (id, email, name, name_key, role, status, password_hash, created_at,
        updated_at, watch_seq, watch_changed_at)
     SELECT CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0')), CONCAT('u', n, '@example.com'),
        CONCAT('User ', n), CONCAT('user ', n), IF(n < 5, 'admin', 'user'), 'active',
        REPEAT('h', 97), n, n, 10, 1000000 + n * 10
     FROM numbers ORDER BY n;
     INSERT INTO packages (id, name, name_key, live_name_key, genres, version, floor_version,
        created_at, updated_at)
     SELECT CONCAT('01980000-0000-7000-9000-', LPAD(n, 12, '0')), CONCAT('P', n), CONCAT('p', n),
        CONCAT('p', n), '[18,35]', 3, 1, n, n FROM numbers WHERE n < 100 ORDER BY n;
     INSERT INTO package_versions (package_id, version, name, genres, created_at)
     SELECT p.id, n.n + 1, p.name, p.genres, p.created_at
     FROM packages p, numbers n WHERE n.n < 3 ORDER BY p.id, n.n;
     INSERT INTO package_version_genres (package_id, version, genre_id)
     SELECT v.package_id, v.version, IF(n.n = 0, 18, 35)
     FROM package_versions v, numbers n WHERE n.n < 2 ORDER BY v.package_id, v.version, n.n;
     INSERT INTO subscriptions (id, user_id, package_id, version, starts_at, ends_at)
     SELECT CONCAT('01980000-0000-7000-a000-', LPAD(n, 12, '0')),
        CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0')),
        CONCAT('01980000-0000-7000-9000-', LPAD(n MOD 100, 12, '0')), 1, 0,
        IF(n MOD 3 = 0, 5, 9223372036854775807)
     FROM numbers ORDER BY n;
     INSERT INTO idempotency_keys (scope, client_key, fingerprint, owner, answer, created_at)
     SELECT CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0'), ' POST /plays'), 'key',
        REPEAT('f', 64), CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0')), '{}', n
     FROM numbers ORDER BY n;
     INSERT INTO mail_queue (kind, address, user_id, created_at, next_at)
     SELECT 'verification', CONCAT('u', n, '@example.com'),
        CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0')), n, n FROM numbers ORDER BY n;
     INSERT INTO mail_tokens (token_hash, purpose, user_id, email, created_at, expires_at)
     SELECT LPAD(n, 64, '0'), 'recovery', CONCAT('01980000-0000-7000-8000-', LPAD(n, 12, '0')),
        CONCAT('u', n, '@example.com'), n, n FROM numbers ORDER BY n;"
);

const MARKS: &str = concat!(
    "INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
     SELECT u.id, t.n + 1, 'A film of some length', '[18,35]', u.created_at + t.n, u.created_at,
        t.n + 1, CONCAT('[[\"', u.id, '\",', u.created_at + t.n, ',0]]')
     FROM users u, ",
    ten!(),
    " t ORDER BY u.id, t.n;"
);

/// All but the last thousand are published; three are buried.
const OUTBOX: &str = concat!(
    "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, state, published_at)
     SELECT CONCAT(LPAD(u.created_at, 12, '0'), '-000', t.n, '-7000-8000-0000000'), u.id, 'marked',
        REPEAT('x', 150), u.created_at * 10 + t.n,
        CASE WHEN u.created_at >= 99900 THEN 0 WHEN u.created_at = 7 AND t.n < 3 THEN 2 ELSE 1 END,
        u.created_at * 10 + t.n
     FROM users u, ",
    ten!(),
    " t ORDER BY u.id, t.n;"
);

/// One for each user; a hundredth has expired.
const SESSIONS: &str =
    "INSERT INTO sessions (id, user_id, created_at, used_at, idle_until, ends_at,
        token_hash)
     SELECT CONCAT('01980000-0000-7000-b000-', RIGHT(id, 12)), id, 0, created_at,
        IF(created_at < 1000, created_at, 1000000 + created_at), 2000000, REPEAT('f', 64)
     FROM users ORDER BY id";

const EXPIRING: &str = "INSERT INTO audit_log (at, origin, actor_id, address, action, subject_kind,
        subject_id, after_state)
     SELECT created_at, 'request', id, '203.0.113.7',
        IF(created_at MOD 100 = 0, 'account.deleted', 'package.edited'), 'user', id, '{}'
     FROM users ORDER BY id;
     INSERT INTO throttles (name, expires_at) SELECT id, created_at FROM users ORDER BY id;";

const STATISTICS: &str = "ANALYZE TABLE users, packages, package_versions, package_version_genres,
    subscriptions, idempotency_keys, marks, outbox, audit_log, throttles,
    mail_tokens, sessions, mail_queue";

/// In the order of every primary key, and the big tables side by side.
pub(super) async fn fill(url: &str) {
    run(url, &[USERS]).await;
    tokio::join!(run(url, &[MARKS]), run(url, &[OUTBOX, SESSIONS, EXPIRING]));
    run(url, &[STATISTICS]).await;
}

async fn run(url: &str, statements: &[&'static str]) {
    let mut connection = AnyConnection::connect(url).await.unwrap();
    raw_sql("SET unique_checks = 0, foreign_key_checks = 0")
        .execute(&mut connection)
        .await
        .unwrap();
    raw_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .execute(&mut connection)
        .await
        .unwrap();
    for statement in statements {
        raw_sql(*statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}
