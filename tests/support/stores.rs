//! The stores and the bus of a service, within a test's reach: embedded in a folder, or on the engines
//! (see [`Backend`]).

use std::{path::PathBuf, sync::Arc};

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use watchme::adapters::{
    bus::{InProcessBus, InProcessChanges, InProcessViews, Nats, NatsBus, NatsChanges, NatsViews},
    documents::{MongoDocuments, MongoSettings, SqliteDocuments},
    sql::{SqlSettings, SqlStore},
};
use watchme_actors::ports::{
    Catalogue, ChangeFeed, DeadLetters, EventBus, GenreStore, Lease, Probe, Reports, SoleProcess,
    SyncLog, TrendingStore, ViewFeed,
};

use super::backend::Backend;

/// Stores of a test's own, at this version. Dropping them deletes what is in them.
pub struct Stores {
    pub sql: SqlStore,
    pub documents: Documents,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Engines(Box<Backend>),
}

impl Stores {
    pub async fn fresh() -> Self {
        let place = match Backend::fresh().await {
            Some(backend) => Place::Engines(Box::new(backend)),
            None => Place::Folder(TempDir::new().unwrap()),
        };
        let settings = match &place {
            Place::Folder(folder) => SqlSettings::file(&folder.path().join("watchme.db")).unwrap(),
            Place::Engines(backend) => SqlSettings::new(backend.database()),
        };
        let sql = SqlStore::open(&settings).await.unwrap();
        sql.migrate().await.unwrap();
        let documents = Documents::open(&place).await;
        Self { sql, documents, place }
    }

    /// Whether everything is in a folder.
    pub fn is_embedded(&self) -> bool {
        self.engines().is_none()
    }

    /// Where they are on engines.
    pub fn engines(&self) -> Option<&Backend> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Engines(backend) => Some(backend),
        }
    }

    /// The file of the embedded documents.
    pub fn documents_file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path().join("documents.db")),
            Place::Engines(_) => None,
        }
    }

    /// Who may do what only one may do.
    pub fn lease(&self) -> Arc<dyn Lease> {
        match &self.place {
            Place::Folder(_) => Arc::new(SoleProcess),
            Place::Engines(_) => Arc::new(self.sql.clone()),
        }
    }

    /// A way to SQL round the adapter.
    pub async fn hand(&self) -> AnyConnection {
        let url = match &self.place {
            Place::Folder(folder) => {
                format!("sqlite://{}", folder.path().join("watchme.db").display())
            }
            Place::Engines(backend) => backend.database().into(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }

    /// A bus as every start of the service has one.
    pub async fn bus(&self) -> Bus {
        match &self.place {
            Place::Folder(_) => Bus {
                events: Arc::new(InProcessBus::new(Arc::new(self.sql.clone()))),
                dead_letters: Arc::new(self.sql.clone()),
                changes: Arc::new(InProcessChanges::default()),
                views: Arc::new(InProcessViews::default()),
                nats: None,
            },
            Place::Engines(backend) => {
                let nats = Nats::connect(&backend.nats()).await.unwrap();
                super::nats::until("NATS is connected", || nats.is_connected()).await;
                let bus = Arc::new(NatsBus::new(&nats));
                Bus {
                    events: bus.clone(),
                    dead_letters: bus,
                    changes: Arc::new(NatsChanges::start(&nats).await.unwrap()),
                    views: Arc::new(NatsViews::start(&nats)),
                    nats: Some(nats),
                }
            }
        }
    }
}

/// The ports that the bus serves.
#[derive(Clone)]
pub struct Bus {
    pub events: Arc<dyn EventBus>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub changes: Arc<dyn ChangeFeed>,
    pub views: Arc<dyn ViewFeed>,
    nats: Option<Nats>,
}

impl Bus {
    pub async fn close(&self) {
        self.events.close().await;
        if let Some(nats) = &self.nats {
            nats.close().await;
        }
    }
}

/// The ports that documents serve.
#[derive(Clone)]
pub struct Documents {
    pub catalogue: Arc<dyn Catalogue>,
    pub genres: Arc<dyn GenreStore>,
    pub reports: Arc<dyn Reports>,
    pub sync_log: Arc<dyn SyncLog>,
    pub trending: Arc<dyn TrendingStore>,
    pub probe: Arc<dyn Probe>,
    store: Store,
}

#[derive(Clone)]
enum Store {
    Sqlite(SqliteDocuments),
    Mongo(MongoDocuments),
}

impl Documents {
    async fn open(place: &Place) -> Self {
        match place {
            Place::Folder(folder) => {
                let path = folder.path().join("documents.db");
                let store = SqliteDocuments::open(&path).await.unwrap();
                store.migrate().await.unwrap();
                Self::over(store.clone(), Store::Sqlite(store))
            }
            Place::Engines(backend) => {
                let settings = MongoSettings::new(backend.documents().as_str());
                let store = MongoDocuments::open(&settings).await.unwrap();
                store.migrate().await.unwrap();
                Self::over(store.clone(), Store::Mongo(store))
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

    pub async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
            Store::Mongo(store) => store.close().await,
        }
    }
}
