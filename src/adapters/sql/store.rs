//! Opening and closing the store, and the two ways to talk to it: write and read.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Any, AnyConnection, Connection, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::MigrateError,
    pool::Pool,
};
use tokio::sync::Notify;
use url::Url;
use watchme_actors::ports::{Probe, StoreError};

use super::{
    dialect::Dialect,
    errors::{Db, corrupt, unavailable},
};

/// A transaction; rolled back when it is dropped without a commit.
pub(super) type Tx = Transaction<'static, Any>;

/// How to reach the store.
#[derive(Debug, Clone)]
pub struct SqlSettings {
    /// `sqlite:///path/to/watchme.db?mode=rwc`. A file: a database in memory would be another one
    /// for every connection.
    pub url: String,
    /// Connections for reading, at least 1.
    pub read_connections: u32,
    /// How long a request waits for a connection before it is told that the store is unavailable.
    pub acquire_timeout: Duration,
}

impl SqlSettings {
    /// A SQLite file, made if it is missing, with what [`Self::new`] sets.
    ///
    /// # Errors
    /// `Unavailable` when the folder of the file cannot be found.
    pub fn file(path: &Path) -> Result<Self, StoreError> {
        // A URL would take dots, blanks and percent signs of the path for its own.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder =
            folder.map_err(|error| unavailable(format_args!("{}: {error}", path.display())))?;
        let url = path.file_name().and_then(|name| Url::from_file_path(folder.join(name)).ok());
        let url =
            url.ok_or_else(|| unavailable(format_args!("{} names no file", path.display())))?;
        Ok(Self::new(format!("sqlite://{}?mode=rwc", url.path())))
    }

    /// This database with 4 connections for reading and a wait of at most 2 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), read_connections: 4, acquire_timeout: Duration::from_secs(2) }
    }
}

/// The SQL store; implements the ports of accounts, packages, subscriptions, marks, outbox and
/// leases. Clones share everything and cost next to nothing.
#[derive(Debug, Clone)]
pub struct SqlStore {
    write: Pool<Any>,
    read: Pool<Any>,
    pub(super) dialect: Dialect,
    pub(super) committed: Arc<Notify>,
}

/// `FULL`: a mark that was answered survives a loss of power. Cache: 8 MiB a connection; the log
/// is cut back to 64 MiB after a burst.
const PRAGMAS: &str = "PRAGMA busy_timeout = 1500;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;";

impl SqlStore {
    /// Opens the store. The schema is that of the last [`Self::migrate`].
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened or the URL is not one that is understood.
    pub async fn open(settings: &SqlSettings) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = settings.url.parse().db()?;
        let dialect = match options.database_url.scheme() {
            "sqlite" => Dialect::Sqlite,
            other => return Err(unavailable(format_args!("unknown database scheme `{other}`"))),
        };
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
            .max_connections(settings.read_connections.max(1))
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
        Ok(Self { write, read, dialect, committed: Arc::new(Notify::new()) })
    }

    /// Brings the schema up to this version's; does nothing when it is there.
    ///
    /// # Errors
    /// `Corrupt` when the database was made by another version's migrations, else `Unavailable`.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = match self.dialect {
            Dialect::Sqlite => sqlx::migrate!("migrations/sqlite"),
        };
        migrations.run(&self.write).await.map_err(|error| match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::Dirty(_) => corrupt(error),
            error => unavailable(error),
        })
    }

    /// Closes every connection once it is free; what comes later is refused as unavailable.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Begins a transaction that writes. Waits for the one that is under way.
    pub(super) async fn begin_write(&self) -> Result<Tx, StoreError> {
        self.write.begin_with(self.dialect.begin_write()).await.db()
    }

    /// Begins a transaction whose reads all see the same moment.
    pub(super) async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        self.read.begin_with(self.dialect.begin_snapshot()).await.db()
    }

    /// Connections for single reads.
    pub(super) fn reader(&self) -> &Pool<Any> {
        &self.read
    }

    /// Commits a transaction that wrote an event, and tells whoever waits for one.
    pub(super) async fn commit_event(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await.db()?;
        self.committed.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Probe for SqlStore {
    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.reader()).await.db()?;
        Ok(())
    }
}
