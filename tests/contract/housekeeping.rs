//! What has expired goes from every table, and nothing else, on both engines.

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tempfile::TempDir;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::Timestamp,
    ports::{Expiry, Housekeeping, Swept},
};

use crate::{sql::CreateAccount, support::mysql::TestDatabase};

/// Two of everything expire at 1,000 or before, one after.
const ROWS: &[&str] = &[
    "INSERT INTO throttles (name, expires_at) VALUES ('a', 900), ('b', 1000), ('c', 1001)",
    "INSERT INTO mail_tokens (token_hash, purpose, user_id, email, created_at, expires_at)
     SELECT n.hash, 'recovery', u.id, u.email, 1, n.expires_at FROM users u, (
        SELECT 'a' AS hash, 900 AS expires_at UNION ALL SELECT 'b', 1000
        UNION ALL SELECT 'c', 1001) n",
    "INSERT INTO sessions (id, user_id, created_at, used_at, idle_until, ends_at, token_hash)
     SELECT n.id, u.id, 1, 1, n.idle_until, n.ends_at, n.id FROM users u, (
        SELECT 'a' AS id, 900 AS idle_until, 2000 AS ends_at UNION ALL SELECT 'b', 1000, 1000
        UNION ALL SELECT 'c', 1001, 2000) n",
    "INSERT INTO mail_queue (kind, address, created_at, next_at) VALUES
        ('recovery', 'a@example.com', 400, 5000), ('recovery', 'b@example.com', 500, 5000),
        ('recovery', 'c@example.com', 501, 501)",
];

async fn count(connection: &mut AnyConnection, table: &str) -> i64 {
    let query = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await.unwrap()
}

async fn what_has_expired_goes(store: &SqlStore, url: &str) {
    let at = Timestamp::from_millis;
    store.create_account("ada", at(1)).await;
    let mut connection = AnyConnection::connect(url).await.unwrap();
    for rows in ROWS {
        sqlx::query(*rows).execute(&mut connection).await.unwrap();
    }
    let expiry = Expiry { now: at(1_000), audit_before: at(0), mails_before: at(500) };
    let swept = store.sweep(expiry).await.unwrap();
    let expected =
        Swept { throttles: 2, mail_tokens: 2, sessions: 2, mails: 2, ..Swept::default() };
    assert_eq!(swept, expected);
    assert_eq!(store.sweep(expiry).await.unwrap(), Swept::default());
    for table in ["throttles", "mail_tokens", "sessions", "mail_queue", "audit_log"] {
        assert_eq!(count(&mut connection, table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn what_has_expired_goes_from_sqlite() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/watchme.db?mode=rwc", folder.path().display());
    let store = SqlStore::open(&SqlSettings::new(url.as_str())).await.unwrap();
    store.migrate().await.unwrap();
    what_has_expired_goes(&store, &url).await;
}

#[tokio::test]
async fn what_has_expired_goes_from_mysql() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let store = database.store().await;
    what_has_expired_goes(&store, database.url().as_str()).await;
}
