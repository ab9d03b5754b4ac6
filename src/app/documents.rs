//! The document store that the settings name.

use std::sync::Arc;

use watchme_actors::ports::{
    Catalogue, GenreStore, Probe, Reports, StoreError, SyncLog, TrendingStore,
};

use crate::{
    adapters::documents::{MongoDocuments, MongoSettings, SqliteDocuments},
    config::{Config, MongoConfig},
    data_dir::DataDir,
};

/// The ports that documents serve.
#[derive(Clone)]
pub(super) struct Documents {
    pub(super) catalogue: Arc<dyn Catalogue>,
    pub(super) genres: Arc<dyn GenreStore>,
    pub(super) reports: Arc<dyn Reports>,
    pub(super) sync_log: Arc<dyn SyncLog>,
    pub(super) trending: Arc<dyn TrendingStore>,
    pub(super) probe: Arc<dyn Probe>,
    store: Store,
}

#[derive(Clone)]
enum Store {
    Sqlite(SqliteDocuments),
    Mongo(MongoDocuments),
}

impl Documents {
    /// Opens the store and brings it to this version. MongoDB may be away: it is looked for from
    /// then on, and brought to this version when it is found.
    pub(super) async fn open(config: &Config, data: Option<&DataDir>) -> Result<Self, StoreError> {
        match (&config.mongodb, data) {
            (Some(mongodb), _) => {
                let store = MongoDocuments::open(&settings(mongodb)).await?;
                if let Err(error) = store.migrate().await {
                    tracing::warn!(%error, "MongoDB is away; the start goes on without it");
                }
                Ok(Self::over(store.clone(), Store::Mongo(store)))
            }
            (None, Some(data)) => {
                let store = SqliteDocuments::open(&data.file("documents.db")).await?;
                store.migrate().await?;
                Ok(Self::over(store.clone(), Store::Sqlite(store)))
            }
            (None, None) => {
                let reason = "there is neither MongoDB nor a data folder".to_owned();
                Err(StoreError::Unavailable { store: "documents", reason })
            }
        }
    }

    fn over<T>(ports: T, store: Store) -> Self
    where
        T: Catalogue + GenreStore + Reports + SyncLog + TrendingStore + Probe + 'static,
    {
        let ports = Arc::new(ports);
        Self {
            catalogue: ports.clone(),
            genres: ports.clone(),
            reports: ports.clone(),
            sync_log: ports.clone(),
            trending: ports.clone(),
            probe: ports,
            store,
        }
    }

    /// Waits until the store is at this version.
    pub(super) async fn migrated(&self) -> Result<(), StoreError> {
        match &self.store {
            Store::Sqlite(_) => Ok(()),
            Store::Mongo(store) => store.migrate().await,
        }
    }

    pub(super) async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
            Store::Mongo(store) => store.close().await,
        }
    }
}

fn settings(config: &MongoConfig) -> MongoSettings {
    MongoSettings {
        pool: config.connections,
        server_selection_timeout: config.timeout,
        connect_timeout: config.timeout,
        operation_timeout: config.timeout,
        ..MongoSettings::new(config.url.expose())
    }
}
