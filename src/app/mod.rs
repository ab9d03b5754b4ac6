//! The composition root: the only place that names concrete adapters.

mod bus;
mod claim;
mod documents;
mod error;
mod mail;
mod memory;
mod sql;
mod stores;

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use actix::Arbiter;
use actix_web::{dev::Server, rt::net::TcpSocket};
use watchme_actors::{
    Handles, MailPorts,
    domain::Invalid,
    ports::{Act, Clock, MetadataSource, Origin, SystemClock, acting},
};

use crate::{
    adapters::metadata::{DemoCatalogue, TmdbHttp, TmdbKey, TmdbSettings, demo_packages},
    auth::{Keys, Passwords},
    commands::{self, Task, TaskPorts},
    config::{Config, TmdbConfig},
    descriptors,
    first_start::{self, FirstAdmin},
    http::{self, AppState, Readiness, ServerSettings},
    shutdown,
    telemetry::Traces,
};

pub use error::AppError;
use stores::Stores;

/// One process is all there is: what it has not heard of, nobody has changed. The limit is for
/// what nobody foresaw.
const ENTITLEMENT_MAX_AGE: Duration = Duration::from_secs(60);
/// Another replica may be cut off from the bus without this one's knowing, and unable to tell of
/// what it changes.
const ENTITLEMENT_MAX_AGE_AMONG_SEVERAL: Duration = Duration::from_secs(10);
/// The same while the changes of other replicas do not arrive.
const ENTITLEMENT_MAX_AGE_ALONE: Duration = Duration::from_secs(2);
/// For the actors to drain and the stores to close, after HTTP has had its time: together less
/// than the 30 s after which an orchestrator kills.
const DRAIN: Duration = Duration::from_secs(8);
/// Connections that may wait to be accepted: a burst, or those beyond the limit. One that finds no
/// place tries again after a second.
const BACKLOG: u32 = 1024;
/// The demo catalogue has no more.
const ALL_PAGES: u32 = 500;

/// The service, started: its stores are open, its actors run, its port is bound.
pub struct Application {
    address: SocketAddr,
    first_admin: Option<FirstAdmin>,
    demo: bool,
    server: Server,
    handles: Handles,
    readiness: Arc<Readiness>,
    stores: Stores,
    actors: Arbiter,
    traces: Option<Traces>,
}

impl Application {
    /// Opens the stores, starts the actors and binds the port.
    ///
    /// # Errors
    /// Every [`AppError`] but `NotReady`.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Settings first: a wrong one stops the start before anything is written.
        let traces = Traces::start(&config.traces)?;
        let metadata = metadata(&config.tmdb, Arc::clone(&clock), traces.clone())?;
        let smtp = mail::smtp(&config.accounts.mail)?;
        let data = Stores::data(&config)?;
        let jwt_secret = match (&config.jwt_secret, &data) {
            (Some(secret), _) => secret.clone(),
            (None, Some(data)) => data.jwt_secret()?,
            (None, None) => return Err(AppError::NoSecret),
        };
        // Bound before anything is changed: a port in use is found out at once.
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let stores = Stores::open(&config, data, traces.as_ref()).await?;
        let sql = Arc::new(stores.sql.store.clone());
        let mailer = smtp.or_else(|| mail::folder(&config.accounts.mail, stores.data.as_ref()));
        let passwords = Passwords::new(config.accounts.passwords)?;
        let first_admin =
            first_start::admin(&*sql, &passwords, &config, stores.data.as_ref()).await?;
        let demo = config.tmdb.api_key.is_none();
        if demo {
            let packages = demo_packages()?.into_iter().map(|it| (it.name, it.genres)).collect();
            first_start::packages(&*sql, packages).await?;
        }

        let (documents, bus) = (stores.documents.clone(), stores.bus.clone());
        let actors = Arbiter::new();
        let handles = watchme_actors::start(
            &actors.handle(),
            watchme_actors::Ports {
                packages: sql.clone(),
                subscriptions: sql.clone(),
                watch_log: sql.clone(),
                outbox: sql.clone(),
                lease: Arc::clone(&stores.sql.lease),
                housekeeping: sql.clone(),
                mails: mailer.map(|mailer| MailPorts {
                    queue: sql.clone(),
                    mailer,
                    lifetimes: mail::lifetimes(&config.accounts.mail),
                }),
                catalogue: Arc::clone(&documents.catalogue),
                genres: documents.genres,
                reports: documents.reports,
                sync_log: documents.sync_log,
                trending: documents.trending,
                metadata,
                bus: Arc::clone(&bus.events),
                changes: Arc::clone(&bus.changes),
                views: bus.views,
                clock: Arc::clone(&clock),
            },
            watchme_actors::Settings {
                genre_sync_interval: config.genre_sync_interval,
                catalogue_pages: if demo { ALL_PAGES } else { config.catalogue_pages },
                // What is built in needs no sparing.
                tmdb_rate: NonZeroU32::new(config.tmdb.rate).filter(|_| !demo),
                movie_ttl: config.movie_ttl,
                entitlement_mode: config.entitlement_mode,
                entitlement_max_age: if config.is_replicated() {
                    ENTITLEMENT_MAX_AGE_AMONG_SEVERAL
                } else {
                    ENTITLEMENT_MAX_AGE
                },
                entitlement_max_age_alone: ENTITLEMENT_MAX_AGE_ALONE,
                audit_retention: config.accounts.audit_retention,
            },
        );

        let readiness = Arc::new(Readiness::default());
        let state = AppState::new(
            http::Ports {
                accounts: sql.clone(),
                sessions: sql.clone(),
                mail_queue: sql.clone(),
                mail_tokens: sql.clone(),
                packages: sql.clone(),
                subscriptions: sql.clone(),
                watch_log: sql.clone(),
                audit: sql.clone(),
                throttles: sql.clone(),
                catalogue: documents.catalogue,
                changes: bus.changes,
                pools: sql.clone(),
                sql,
                documents: documents.probe,
                bus: bus.events,
                traces: traces.clone(),
                clock,
            },
            handles.clone(),
            http::Auth {
                keys: Keys { current: jwt_secret, previous: config.jwt_secret_previous.clone() },
                sessions: config.accounts.sessions,
                passwords,
            },
            http::Settings {
                listening: address,
                entitlement_mode: config.entitlement_mode,
                package_creators: config.package_creators,
                self_service: config.self_service,
                email_verification: config.accounts.email_verification,
                image_base_url: config.tmdb.image_base_url.clone(),
                page_ttl: config.movie_ttl,
                replicated: config.is_replicated(),
                throttles: config.accounts.throttles,
                trusted_proxies: config.network.trusted_proxies.clone(),
            },
            Arc::clone(&readiness),
        )?;
        let settings = ServerSettings {
            workers: config.workers,
            connections: descriptors::room_for(config.network.connections),
            cors_origins: config.network.cors_origins.clone(),
            https_only: config.is_production(),
        };
        let server = http::server(state, settings, listener)?;
        Ok(Self { address, first_admin, demo, server, handles, readiness, stores, actors, traces })
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
    /// the relay and the ReportActor drain, the bus closes, the last spans are sent, the stores
    /// close.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn run_until(
        self,
        stop: impl Future<Output = io::Result<()>>,
    ) -> Result<(), AppError> {
        let server = self.server.handle();
        let mut serving = actix_web::rt::spawn(self.server);
        let memory = actix_web::rt::spawn(memory::given_back());
        let outcome = tokio::select! {
            stop = stop => stop,
            () = self.stores.not_alone() => Err(io::Error::other(AppError::NotAlone)),
            ended = &mut serving => ended.map_err(io::Error::other).flatten(),
        };
        tracing::info!("stopping");
        memory.abort();
        self.readiness.drain();
        server.stop(true).await;
        let rest = async {
            self.handles.drain().await;
            // Before the actors' thread: a synchronisation that is under way ends with what it has
            // in hand, and its connections go back where they came from.
            self.stores.bus.close().await;
            if let Some(traces) = self.traces {
                traces.close().await;
            }
            self.stores.close_stores().await;
            self.actors.stop();
            let ended = tokio::task::spawn_blocking(move || self.actors.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::warn!("the actors' thread did not end well");
            }
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
    let listening = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restart does not wait for the connections of the process before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listening().map_err(|error| AppError::Listen { address, error })
}

fn metadata(
    config: &TmdbConfig,
    clock: Arc<dyn Clock>,
    traces: Option<Traces>,
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
        traces,
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
    let stores = Stores::open(config, Stores::data(config)?, None).await?;
    let outcome = stores.migrated().await;
    stores.close().await;
    outcome?;
    tracing::info!("the stores are at this version");
    Ok(())
}

/// Does a task of the operator's, and tells of it on standard output.
///
/// # Errors
/// [`AppError`]; where something is kept in a data folder, also while the service is running: it
/// has that to itself.
pub async fn administer(config: &Config, task: Task) -> Result<(), AppError> {
    let stores = Stores::open(config, Stores::data(config)?, None).await?;
    let sql = Arc::new(stores.sql.store.clone());
    let ports = TaskPorts {
        accounts: sql.clone(),
        passwords: Passwords::new(config.accounts.passwords)?,
        dead_letters: Arc::clone(&stores.bus.dead_letters),
        outbox: sql.clone(),
        reports: Arc::clone(&stores.documents.reports),
        watch_log: sql,
        clock: Arc::new(SystemClock),
    };
    // What is not reached says so itself.
    stores.bus.reached().await;
    let mut out = io::stdout();
    let outcome = acting(Act::of(Origin::Command), commands::run(task, &ports, &mut out)).await;
    stores.close().await;
    Ok(outcome?)
}
