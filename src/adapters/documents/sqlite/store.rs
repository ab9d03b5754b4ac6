//! The file and its connections.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use watchme_actors::ports::{Probe, StoreError};

use super::errors::{migrate_error, store_error};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/documents");

const READ_CONNECTIONS: u32 = 4;
/// Within this a caller gets a connection and SQLite its lock, or the store counts as unavailable.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Pages of the log at which it is written into the file: projections of many users change pages all
/// over it, again and again.
const LOG_PAGES: &str = "4096";

/// The document store in one SQLite file. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteDocuments {
    /// One connection: SQLite takes one writer at a time, and a queue in the pool is fairer than
    /// its busy handler.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

impl SqliteDocuments {
    /// Opens the file, which is made if there is none; its folder has to exist. Call
    /// [`Self::migrate`] before anything else.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened, `Corrupt` when it is not a database.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let file = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(PATIENCE)
                // Connections to a local file do not go stale.
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writing = file.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let writing = writing.pragma("wal_autocheckpoint", LOG_PAGES);
        let writer = pool().max_connections(1).connect_with(writing).await.map_err(store_error)?;
        let reading = file.pragma("query_only", "on");
        let readers = pool().max_connections(READ_CONNECTIONS).connect_lazy_with(reading);
        Ok(Self { writer, readers })
    }

    /// Brings the tables to this version. Does nothing when they are.
    ///
    /// # Errors
    /// `Corrupt` when a newer version has written the file.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(&self.writer).await.map_err(migrate_error)
    }

    /// Closes the connections once they are idle; later calls get `Unavailable`.
    pub async fn close(&self) {
        self.readers.close().await;
        // Last, so that this connection folds the write-ahead log into the file.
        self.writer.close().await;
    }
}

#[async_trait]
impl Probe for SqliteDocuments {
    async fn check(&self) -> Result<(), StoreError> {
        // `SELECT 1` would answer without a look at the file.
        sqlx::query("SELECT count(*) FROM sqlite_schema")
            .execute(&self.readers)
            .await
            .map(drop)
            .map_err(store_error)
    }
}
