//! The connections to a SQLite file: one that writes, several that read.

use sqlx::{
    Any, AnyConnection, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::Pool,
};
use watchme_actors::ports::StoreError;

use super::{
    dialect::Frame,
    errors::{Db, unavailable},
    settings::SqlSettings,
};

/// `FULL`: a mark that was answered survives a loss of power. Cache: 8 MiB a connection; the log
/// is cut back to 64 MiB after a burst.
const PRAGMAS: &str = "PRAGMA busy_timeout = 1500;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;";

#[derive(Debug, Clone)]
pub(super) struct SqliteFile {
    write: Pool<Any>,
    read: Pool<Any>,
}

impl SqliteFile {
    pub(super) async fn open(
        settings: &SqlSettings,
        options: AnyConnectOptions,
    ) -> Result<Self, StoreError> {
        if options.database_url.as_str().contains(":memory:") {
            return Err(unavailable("a database in memory cannot be shared between connections"));
        }
        // A pool would try a broken file again until its time is up, and then not say why. This
        // connection comes alone, so that nobody is in the way when it sets the journal's mode.
        let mut first = AnyConnection::connect_with(&options).await.db()?;
        sqlx::raw_sql(PRAGMAS).execute(&mut first).await.db()?;
        first.close().await.db()?;
        // A connection to a file does not grow stale: no pings, no end of life.
        let pool = || {
            AnyPoolOptions::new()
                .acquire_timeout(settings.acquire_timeout)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let write = pool()
            .max_connections(1)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(PRAGMAS).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await
            .db()?;
        let read = pool()
            .max_connections(settings.connections.max(1))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(PRAGMAS).execute(&mut *connection).await?;
                    sqlx::raw_sql("PRAGMA query_only = ON").execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .db()?;
        Ok(Self { write, read })
    }

    pub(super) fn pool(&self, frame: Frame) -> Pool<Any> {
        match frame {
            Frame::Single | Frame::Snapshot => self.read.clone(),
            Frame::Write => self.write.clone(),
        }
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
