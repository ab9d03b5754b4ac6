//! The SQL store that the settings name, and who may use it.

use std::{fs::File, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use watchme_actors::{
    backoff::Backoff,
    ports::{Lease, SoleProcess, StoreError},
};

use super::AppError;
use crate::{
    adapters::sql::{SqlSettings, SqlStore},
    config::{Config, Database},
    data_dir::{self, DataDir},
};

/// A server that starts together with the service may need this long.
const SERVER_START: Duration = Duration::from_secs(30);

/// SQL, with the leases of those who share it.
pub(super) struct Sql {
    pub(super) store: SqlStore,
    pub(super) lease: Arc<dyn Lease>,
    _lock: Option<File>,
}

impl Sql {
    /// Opens the store and brings it to this version.
    pub(super) async fn open(config: &Config, data: Option<&DataDir>) -> Result<Self, AppError> {
        let path = match (&config.sql.database, data) {
            (Database::MySql(url), _) => {
                let settings = SqlSettings {
                    connections: config.sql.connections,
                    acquire_timeout: config.sql.acquire_timeout,
                    ..SqlSettings::new(url.expose())
                };
                let store = reach(&settings).await?;
                store.migrate().await?;
                return Ok(Self { lease: Arc::new(store.clone()), store, _lock: None });
            }
            (Database::Sqlite(path), _) => path.clone(),
            (Database::Embedded, Some(data)) => data.file("watchme.db"),
            (Database::Embedded, None) => {
                let reason = "there is neither MySQL nor a data folder".to_owned();
                return Err(StoreError::Unavailable { store: "sql", reason }.into());
            }
        };
        let lock = match &config.sql.database {
            // The lock on the data folder does not cover a file elsewhere.
            Database::Sqlite(_) => Some(data_dir::lock_beside(&path)?),
            _ => None,
        };
        let store = SqlStore::open(&SqlSettings::file(&path)?).await?;
        store.migrate().await?;
        // The lock says that nobody else could hold a lease.
        Ok(Self { store, lease: Arc::new(SoleProcess), _lock: lock })
    }
}

async fn reach(settings: &SqlSettings) -> Result<SqlStore, StoreError> {
    let until = Instant::now() + SERVER_START;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        match SqlStore::open(settings).await {
            Err(error @ StoreError::Unavailable { .. }) if Instant::now() < until => {
                tracing::warn!(%error, "MySQL is not there yet");
                sleep(backoff.after_failure()).await;
            }
            outcome => return outcome,
        }
    }
}
