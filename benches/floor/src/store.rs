//! One row for each request.

use sqlx::{
    Error, MySqlPool, SqlitePool,
    mysql::MySqlPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

/// As many as WatchMe has for reading.
const READ_CONNECTIONS: u32 = 4;
/// As many as WatchMe has by default.
const MYSQL_CONNECTIONS: u32 = 16;
const INSERT: &str = "INSERT INTO inserts (user_id, number) VALUES (?, ?)";

/// Rows that were there before, in SQLite.
pub(crate) struct Rows(SqlitePool);

impl Rows {
    /// A file with a table `rows` of `user_id` and `body`.
    pub(crate) async fn open(path: &str) -> Result<Self, Error> {
        let file = SqliteConnectOptions::new().filename(path);
        let pool = SqlitePoolOptions::new().max_connections(READ_CONNECTIONS);
        Ok(Self(pool.test_before_acquire(false).connect_with(file).await?))
    }

    /// The body of a user's row.
    pub(crate) async fn of(&self, user: Uuid) -> Result<Option<String>, Error> {
        sqlx::query_scalar("SELECT body FROM rows WHERE user_id = ?")
            .bind(user.to_string())
            .fetch_optional(&self.0)
            .await
    }
}

/// A table that only grows.
pub(crate) enum Inserts {
    /// WAL and FULL, one connection.
    Sqlite(SqlitePool),
    /// As the server is set.
    MySql(MySqlPool),
}

impl Inserts {
    /// Makes the table `inserts` where there is none.
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        if url.starts_with("mysql:") {
            let pool = MySqlPoolOptions::new()
                .max_connections(MYSQL_CONNECTIONS)
                .test_before_acquire(false)
                .connect(url)
                .await?;
            sqlx::query(
                "CREATE TABLE IF NOT EXISTS inserts (
                    id BIGINT PRIMARY KEY AUTO_INCREMENT, user_id CHAR(36) NOT NULL, number BIGINT NOT NULL)",
            )
            .execute(&pool)
            .await?;
            return Ok(Self::MySql(pool));
        }
        let file = url
            .parse::<SqliteConnectOptions>()?
            .create_if_missing(true)
            // As the service's: whole pages are written.
            .page_size(2_048)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .connect_with(file)
            .await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS inserts (
                id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, number INTEGER NOT NULL)",
        )
        .execute(&pool)
        .await?;
        Ok(Self::Sqlite(pool))
    }

    /// Adds a row; it is on disk when this is done.
    pub(crate) async fn add(&self, user: Uuid, number: i64) -> Result<(), Error> {
        let user = user.to_string();
        match self {
            Self::Sqlite(pool) => {
                sqlx::query(INSERT).bind(user).bind(number).execute(pool).await?;
            }
            Self::MySql(pool) => {
                sqlx::query(INSERT).bind(user).bind(number).execute(pool).await?;
            }
        }
        Ok(())
    }
}
