//! The composition root: the only file that names concrete adapters.

use std::{
    fs::File,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use actix::Arbiter;
use actix_web::dev::Server;
use watchme_actors::{
    Handles,
    domain::Invalid,
    ports::{Clock, EventBus, MetadataSource, SoleProcess, StoreError, SystemClock},
};

use crate::{
    adapters::{
        bus::{InProcessBus, InProcessChanges, InProcessViews},
        documents::SqliteDocuments,
        metadata::{
            DemoCatalogue, DemoError, TmdbHttp, TmdbKey, TmdbSettings, TmdbSetupError,
            demo_packages,
        },
        sql::{SqlSettings, SqlStore},
    },
    auth::{Keys, PasswordError, Passwords},
    commands::{self, Task, TaskError, TaskPorts},
    config::{Config, Database, TmdbConfig},
    data_dir::{self, DataDir, DataDirError},
    first_start::{self, FirstAdmin, FirstStartError},
    http::{self, AppState, Readiness, ServerSettings},
    shutdown,
};

/// One process is all there is: what it has not heard of, nobody has changed. The limit is for
/// what nobody foresaw.
const ENTITLEMENT_MAX_AGE: Duration = Duration::from_secs(60);
/// The same while the changes of other replicas do not arrive.
const ENTITLEMENT_MAX_AGE_ALONE: Duration = Duration::from_secs(2);
/// For the actors to drain and the stores to close, after HTTP has had its time: together less
/// than the 30 s after which an orchestrator kills.
const DRAIN: Duration = Duration::from_secs(8);
/// The demo catalogue has no more.
const ALL_PAGES: u32 = 500;

/// The service could not start, or not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting is wrong.
    #[error("{variable} {reason}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What it accepts.
        reason: Invalid,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The demo catalogue cannot be read.
    #[error("the demo catalogue: {0}")]
    Demo(#[from] DemoError),
    /// The client for TMDb cannot be made.
    #[error("the client for TMDb: {0}")]
    Tmdb(#[from] TmdbSetupError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// What a first start makes could not be made.
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    /// Metrics could not be registered.
    #[error("the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; WATCHME_LISTEN names the address and port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A task of the operator's was not done.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The service does not answer, or is not ready.
    #[error("not ready: {0}")]
    NotReady(String),
}

struct Stores {
    sql: SqlStore,
    documents: SqliteDocuments,
    _lock: Option<File>,
}

impl Stores {
    async fn open(config: &Config, data: &DataDir) -> Result<Self, AppError> {
        let file = match &config.database {
            Database::Embedded => data.file("watchme.db"),
            Database::Sqlite(path) => path.clone(),
        };
        let lock = match &config.database {
            Database::Embedded => None,
            // The lock on the data folder does not cover a file elsewhere.
            Database::Sqlite(_) => Some(data_dir::lock_beside(&file)?),
        };
        let sql = SqlStore::open(&SqlSettings::file(&file)?).await?;
        sql.migrate().await?;
        // The locks say that nobody else can hold one.
        sql.end_leases().await?;
        let documents = SqliteDocuments::open(&data.file("documents.db")).await?;
        documents.migrate().await?;
        Ok(Self { sql, documents, _lock: lock })
    }

    async fn close(&self) {
        self.documents.close().await;
        self.sql.close().await;
    }
}

/// The service, started: its stores are open, its actors run, its port is bound.
pub struct Application {
    address: SocketAddr,
    first_admin: Option<FirstAdmin>,
    demo: bool,
    server: Server,
    handles: Handles,
    readiness: Arc<Readiness>,
    bus: InProcessBus,
    stores: Stores,
    actors: Arbiter,
    _data: DataDir,
}

impl Application {
    /// Opens the stores, starts the actors and binds the port.
    ///
    /// # Errors
    /// Every [`AppError`] but `NotReady`.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Settings first: a wrong one stops the start before anything is written.
        let metadata = metadata(&config.tmdb, Arc::clone(&clock))?;
        let data = DataDir::open(&config.data_dir)?;
        let jwt_secret = match &config.jwt_secret {
            Some(secret) => secret.clone(),
            None => data.jwt_secret()?,
        };
        // Bound before anything is changed: a port in use is found out at once.
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let stores = Stores::open(&config, &data).await?;
        let passwords = Passwords::new()?;
        let first_admin = first_start::admin(&stores.sql, &passwords, &config, &data).await?;
        let demo = config.tmdb.api_key.is_none();
        if demo {
            let packages = demo_packages()?.into_iter().map(|it| (it.name, it.genres)).collect();
            first_start::packages(&stores.sql, packages).await?;
        }

        let bus = InProcessBus::new(Arc::new(stores.sql.clone()));
        let changes = Arc::new(InProcessChanges::default());
        let actors = Arbiter::new();
        let handles = watchme_actors::start(
            &actors.handle(),
            watchme_actors::Ports {
                packages: Arc::new(stores.sql.clone()),
                subscriptions: Arc::new(stores.sql.clone()),
                watch_log: Arc::new(stores.sql.clone()),
                outbox: Arc::new(stores.sql.clone()),
                lease: Arc::new(SoleProcess),
                catalogue: Arc::new(stores.documents.clone()),
                genres: Arc::new(stores.documents.clone()),
                reports: Arc::new(stores.documents.clone()),
                sync_log: Arc::new(stores.documents.clone()),
                trending: Arc::new(stores.documents.clone()),
                metadata,
                bus: Arc::new(bus.clone()),
                changes: changes.clone(),
                views: Arc::new(InProcessViews::default()),
                clock: Arc::clone(&clock),
            },
            watchme_actors::Settings {
                genre_sync_interval: config.genre_sync_interval,
                catalogue_pages: if demo { ALL_PAGES } else { config.catalogue_pages },
                // What is built in needs no sparing.
                tmdb_rate: NonZeroU32::new(config.tmdb.rate).filter(|_| !demo),
                movie_ttl: config.movie_ttl,
                entitlement_mode: config.entitlement_mode,
                entitlement_max_age: ENTITLEMENT_MAX_AGE,
                entitlement_max_age_alone: ENTITLEMENT_MAX_AGE_ALONE,
            },
        );

        let readiness = Arc::new(Readiness::default());
        let state = AppState::new(
            http::Ports {
                accounts: Arc::new(stores.sql.clone()),
                packages: Arc::new(stores.sql.clone()),
                subscriptions: Arc::new(stores.sql.clone()),
                watch_log: Arc::new(stores.sql.clone()),
                catalogue: Arc::new(stores.documents.clone()),
                changes,
                sql: Arc::new(stores.sql.clone()),
                documents: Arc::new(stores.documents.clone()),
                bus: Arc::new(bus.clone()),
                clock,
            },
            handles.clone(),
            http::Auth {
                keys: Keys { current: jwt_secret, previous: config.jwt_secret_previous.clone() },
                access_token_ttl: config.access_token_ttl,
                passwords,
            },
            http::Settings {
                entitlement_mode: config.entitlement_mode,
                package_creators: config.package_creators,
                self_service: config.self_service,
                image_base_url: config.tmdb.image_base_url.clone(),
                page_ttl: config.movie_ttl,
            },
            Arc::clone(&readiness),
        )?;
        let server = http::server(state, ServerSettings { workers: config.workers }, listener)?;
        Ok(Self {
            address,
            first_admin,
            demo,
            server,
            handles,
            readiness,
            bus,
            stores,
            actors,
            _data: data,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ways to its actors.
    #[must_use]
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// What the person who started it wants to know first.
    #[must_use]
    pub fn welcome(&self) -> String {
        let address = self.address;
        let mut text =
            format!("WatchMe listens on http://{address}\nDocs: http://{address}/api/docs/");
        if let Some(admin) = &self.first_admin {
            text += &format!("\nAdmin account made: {}", admin.email);
            if let Some(file) = &admin.password_file {
                text += &format!(", its password is in {}", file.display());
            }
        }
        if self.demo {
            text += "\nTMDB_API_KEY is not set: the built-in demo catalogue serves";
        }
        text
    }

    /// Serves until `stop` is done, then stops in order: readiness off, HTTP stops and drains,
    /// the relay and the ReportActor drain, the bus closes, the stores close.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn run_until(
        self,
        stop: impl Future<Output = io::Result<()>>,
    ) -> Result<(), AppError> {
        let server = self.server.handle();
        let mut serving = actix_web::rt::spawn(self.server);
        let outcome = tokio::select! {
            stop = stop => stop,
            ended = &mut serving => ended.map_err(io::Error::other).flatten(),
        };
        tracing::info!("stopping");
        self.readiness.drain();
        server.stop(true).await;
        let rest = async {
            self.handles.drain().await;
            self.bus.close().await;
            // The synchronisations end with their arbiter, before the stores that they write to.
            self.actors.stop();
            let ended = tokio::task::spawn_blocking(move || self.actors.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::warn!("the actors' thread did not end well");
            }
            self.stores.close().await;
        };
        match tokio::time::timeout(DRAIN, rest).await {
            Ok(()) => tracing::info!("stopped"),
            Err(_elapsed) => {
                tracing::warn!("stopped with work in hand; it goes on at the next start")
            }
        }
        Ok(outcome?)
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|error| AppError::Listen { address, error })
}

fn metadata(
    config: &TmdbConfig,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn MetadataSource>, AppError> {
    let Some(key) = &config.api_key else {
        return Ok(Arc::new(DemoCatalogue::new(clock)?));
    };
    let setting = |variable| move |reason| AppError::Setting { variable, reason };
    let key: TmdbKey = key.expose().parse().map_err(setting("TMDB_API_KEY"))?;
    let proxy = config.proxy.as_ref().map(|proxy| proxy.expose().parse()).transpose().map_err(
        |error: url::ParseError| {
            setting("TMDB_PROXY")(Invalid::new("not_a_url", error.to_string()))
        },
    )?;
    let settings = TmdbSettings {
        language: config.language.clone(),
        proxy,
        ..TmdbSettings::new(config.base_url.clone(), key)
    };
    Ok(Arc::new(TmdbHttp::new(settings, clock)?))
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`AppError`].
pub async fn serve(config: Config) -> Result<(), AppError> {
    let application = Application::start(config).await?;
    // Whoever started it may have closed its standard output: no reason not to serve.
    let _ = writeln!(io::stdout(), "{}", application.welcome());
    application.run_until(shutdown::requested()).await
}

/// Brings the stores to this version.
///
/// # Errors
/// [`AppError`].
pub async fn migrate(config: &Config) -> Result<(), AppError> {
    let data = DataDir::open(&config.data_dir)?;
    Stores::open(config, &data).await?.close().await;
    tracing::info!("the stores are at this version");
    Ok(())
}

/// Does a task of the operator's, and tells of it on standard output.
///
/// # Errors
/// [`AppError`]; embedded, also where the service is running: it has the stores to itself.
pub async fn administer(config: &Config, task: Task) -> Result<(), AppError> {
    let data = DataDir::open(&config.data_dir)?;
    let stores = Stores::open(config, &data).await?;
    let ports = TaskPorts {
        dead_letters: Arc::new(stores.sql.clone()),
        outbox: Arc::new(stores.sql.clone()),
        reports: Arc::new(stores.documents.clone()),
        watch_log: Arc::new(stores.sql.clone()),
        clock: Arc::new(SystemClock),
    };
    let outcome = commands::run(task, &ports, &mut io::stdout()).await;
    stores.close().await;
    Ok(outcome?)
}
