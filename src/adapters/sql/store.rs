//! Opening and closing the store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    any::AnyConnectOptions,
    migrate::{MigrateError, Migrator},
};
use tokio::{runtime::Handle, time::timeout};
use watchme_actors::ports::{Probe, StoreError, Writes};

use super::{
    dialect::Dialect,
    errors::{Db, corrupt, unavailable},
    news::News,
    pools::Waits,
    server::Server,
    settings::SqlSettings,
    sqlite::SqliteFile,
    watch_log::together::Gathering,
};

/// What a migration may take, with the wait for another replica that is at it.
const MIGRATION: Duration = Duration::from_secs(600);

/// The SQL store; implements the ports of accounts, sessions, mails, throttles, the audit log,
/// packages, subscriptions, marks, outbox, leases and, for a bus that stores nothing itself, dead
/// letters. Clones share everything and cost next
/// to nothing.
///
/// On a server no call takes longer than 2 s; while the server is away calls fail at once.
#[derive(Debug, Clone)]
pub struct SqlStore {
    pub(super) engine: Engine,
    pub(super) dialect: Dialect,
    pub(super) news: Arc<News>,
    pub(super) waits: Arc<Waits>,
    /// Where it was opened.
    pub(super) runtime: Handle,
    /// Marks that wait for their turn.
    pub(super) gathering: Arc<Gathering>,
}

/// Where the connections go.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    File(SqliteFile),
    Server(Arc<Server>),
}

impl SqlStore {
    /// Opens the store. The schema is that of the last [`Self::migrate`].
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened or the URL is not one that is understood.
    pub async fn open(settings: &SqlSettings) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = settings.url.parse().db()?;
        let news = Arc::new(News::default());
        let (engine, dialect) = match options.database_url.scheme() {
            "sqlite" => {
                let file = SqliteFile::open(settings, options, Arc::clone(&news)).await?;
                (Engine::File(file), Dialect::Sqlite)
            }
            "mysql" | "mariadb" => {
                (Engine::Server(Server::open(settings, options).await?), Dialect::MySql)
            }
            other => return Err(unavailable(format_args!("unknown database scheme `{other}`"))),
        };
        let runtime = Handle::current();
        let (waits, gathering) = (Arc::default(), Arc::default());
        Ok(Self { engine, dialect, news, waits, runtime, gathering })
    }

    /// Brings the schema up to this version's; does nothing when it is there. Of several replicas
    /// one does it, the others wait.
    ///
    /// # Errors
    /// `Corrupt` when the database was made by another version's migrations or one of them was
    /// broken off, else `Unavailable`.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let done = match &self.engine {
            Engine::File(file) => {
                let migrations = sqlx::migrate!("migrations/sqlite");
                file.migrate(&migrations).await
            }
            Engine::Server(server) => {
                let migrations = sqlx::migrate!("migrations/mysql");
                timeout(MIGRATION, run_on(server, &migrations))
                    .await
                    .map_err(|_| unavailable("the migrations did not come to an end"))?
            }
        };
        done.map_err(|error| match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::Dirty(_) => corrupt(error),
            error => unavailable(error),
        })
    }

    /// How long a call waits for its turn.
    pub(super) fn patience(&self) -> Duration {
        match &self.engine {
            Engine::File(file) => file.writer.patience,
            Engine::Server(server) => server.patience(),
        }
    }

    /// How often all connections were given up for new ones, because the server had not answered on
    /// one of them or was away. Always 0 on a file.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        match &self.engine {
            Engine::File(_) => 0,
            Engine::Server(server) => server.renewals(),
        }
    }

    /// Closes every connection once it is free; what comes later is refused as unavailable.
    pub async fn close(&self) {
        match &self.engine {
            Engine::File(file) => file.close().await,
            Engine::Server(server) => server.close().await,
        }
    }
}

/// Beside the pool, whose statements may not take as long.
async fn run_on(server: &Server, migrations: &Migrator) -> Result<(), MigrateError> {
    let mut connection = server.connect().await?;
    migrations.run_direct(None, &mut connection, false).await
}

#[async_trait]
impl Probe for SqlStore {
    async fn check(&self) -> Result<(), StoreError> {
        self.read_on(|mut tx| async move {
            sqlx::query("SELECT 1").execute(&mut *tx).await.db()?;
            Ok(())
        })
        .await
    }

    fn writes(&self) -> Option<Writes> {
        Some(self.news.writes())
    }
}
