//! The connections to a SQLite file: one that writes, several that read.

use std::sync::Arc;

use sqlx::{
    Any, AnyConnection, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{MigrateError, Migrator},
    pool::Pool,
};
use watchme_actors::ports::StoreError;

use super::{
    errors::{Db, unavailable},
    news::News,
    settings::SqlSettings,
    writer::Writer,
};

/// `FULL`: a mark that was answered survives a loss of power. New files have pages of 2 KiB:
/// a mark adds a row to one page in each of several places, and whole pages are written. Cache: 8 MiB a
/// connection. The log is written into the file at 32 MiB (64 where pages have 4 KiB): marks of many users
/// change pages all over it, and at the usual thousand pages a burst would write most of them every
/// few commits. It is cut back to 64 MiB afterwards.
const PRAGMAS: &str = "PRAGMA busy_timeout = 1500;
    PRAGMA page_size = 2048;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA journal_size_limit = 67108864;";

#[derive(Debug, Clone)]
pub(super) struct SqliteFile {
    options: AnyConnectOptions,
    pub(super) writer: Arc<Writer>,
    pub(super) read: Pool<Any>,
}

impl SqliteFile {
    pub(super) async fn open(
        settings: &SqlSettings,
        options: AnyConnectOptions,
        news: Arc<News>,
    ) -> Result<Self, StoreError> {
        if options.database_url.as_str().contains(":memory:") {
            return Err(unavailable("a database in memory cannot be shared between connections"));
        }
        // A pool would try a broken file again until its time is up, and then not say why. This
        // connection comes alone, so that nobody is in the way when it sets the journal's mode.
        connect(&options).await.db()?.close().await.db()?;
        // A connection to a file does not grow stale: no pings, no end of life.
        let read = AnyPoolOptions::new()
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .max_connections(settings.connections.max(1))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(PRAGMAS).execute(&mut *connection).await?;
                    sqlx::raw_sql("PRAGMA query_only = ON").execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await
            .db()?;
        let writer = Writer::new(options.clone(), settings.acquire_timeout, news);
        Ok(Self { options, writer: Arc::new(writer), read })
    }

    /// On a connection of its own, which sorts and keeps what it might have to take back in files: to drop a
    /// table takes as much of that as there is in it.
    pub(super) async fn migrate(&self, migrations: &Migrator) -> Result<(), MigrateError> {
        let mut connection = connect(&self.options).await?;
        sqlx::raw_sql("PRAGMA temp_store = FILE").execute(&mut connection).await?;
        migrations.run_direct(None, &mut connection, false).await?;
        Ok(connection.close().await?)
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.writer.close().await;
    }
}

/// A connection that may write.
pub(super) async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = AnyConnection::connect_with(options).await?;
    sqlx::raw_sql(PRAGMAS).execute(&mut connection).await?;
    Ok(connection)
}
