//! What handlers work with.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use url::Url;
use watchme_actors::{
    Handles,
    changes::Applied,
    domain::EntitlementMode,
    ports::{
        Accounts, AuditLog, Catalogue, Change, ChangeFeed, Clock, EventBus, MailQueue, MailTokens,
        Packages, Pools, Probe, Sessions, Subscriptions, Throttles, WatchLog,
    },
};

use super::{
    ErrorCode, Problem,
    answers::Answers,
    idempotency::Fingerprints,
    layers::{ClientLimit, Door},
    movies_asked::Understood,
    red::Red,
    reports_export::Exports,
    throttle::Throttle,
    watched_at::WatchedAt,
};
use crate::{
    auth::{AccountGate, Keys, Passwords, RefreshTokens, Tokens},
    config::{PackageCreators, SessionConfig, ThrottleConfig},
    telemetry::Traces,
};

/// Everything outside that handlers work with.
#[derive(Clone)]
pub struct Ports {
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Mails that wait.
    pub mail_queue: Arc<dyn MailQueue>,
    /// Tokens that came by mail.
    pub mail_tokens: Arc<dyn MailTokens>,
    /// Packages.
    pub packages: Arc<dyn Packages>,
    /// Subscriptions.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Marks and plays.
    pub watch_log: Arc<dyn WatchLog>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// What was done how often.
    pub throttles: Arc<dyn Throttles>,
    /// Stored movies; handlers only count them.
    pub catalogue: Arc<dyn Catalogue>,
    /// Changes that every replica hears of.
    pub changes: Arc<dyn ChangeFeed>,
    /// The store of the truth.
    pub sql: Arc<dyn Probe>,
    /// How its connections are used.
    pub pools: Arc<dyn Pools>,
    /// The store of documents.
    pub documents: Arc<dyn Probe>,
    /// Watch events.
    pub bus: Arc<dyn EventBus>,
    /// Where spans go; `None` where nothing is traced.
    pub traces: Option<Traces>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What signing in needs.
#[derive(Clone)]
pub struct Auth {
    /// The secrets that every key is derived from.
    pub keys: Keys,
    /// For how long somebody stays signed in.
    pub sessions: SessionConfig,
    /// The hasher of passwords.
    pub passwords: Passwords,
}

/// What the operator sets of the handlers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the service listens.
    pub listening: SocketAddr,
    /// How many of a movie's genres have to be permitted.
    pub entitlement_mode: EntitlementMode,
    /// Who may create packages.
    pub package_creators: PackageCreators,
    /// Whether users subscribe themselves.
    pub self_service: bool,
    /// Whether an address has to be verified before its account can be used.
    pub email_verification: bool,
    /// What poster and backdrop paths are appended to, with their size.
    pub image_base_url: Url,
    /// For how long encoded answers are remembered.
    pub page_ttl: Duration,
    /// Whether other replicas may change what this one remembers.
    pub replicated: bool,
    /// How often something may be done.
    pub throttles: ThrottleConfig,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Whether traffic should come here.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// From now on `/readyz` says that traffic should go elsewhere.
    pub fn drain(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the process is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The state of every handler. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(crate) ports: Ports,
    pub(crate) handles: Handles,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) refresh_tokens: Arc<RefreshTokens>,
    pub(crate) sessions: SessionConfig,
    pub(crate) passwords: Passwords,
    pub(crate) gate: Arc<AccountGate>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) client_limit: Option<Arc<ClientLimit>>,
    pub(crate) fingerprints: Arc<Fingerprints>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) understood: Arc<Understood>,
    pub(crate) watched_at: Arc<WatchedAt>,
    pub(crate) exports: Arc<Exports>,
    pub(crate) red: Arc<Red>,
    pub(crate) door: Arc<Door>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) settings: Arc<Settings>,
}

impl AppState {
    /// The state over its ports and the actors' handles.
    ///
    /// # Errors
    /// When the metrics cannot be registered.
    pub fn new(
        ports: Ports,
        handles: Handles,
        auth: Auth,
        settings: Settings,
        readiness: Arc<Readiness>,
    ) -> Result<Self, prometheus::Error> {
        let clock = || Arc::clone(&ports.clock);
        let throttle =
            Throttle::new(Arc::clone(&ports.throttles), clock(), &auth.keys, settings.throttles);
        Ok(Self {
            door: Arc::default(),
            gate: Arc::new(AccountGate::new(Arc::clone(&ports.sessions), clock())),
            tokens: Arc::new(Tokens::new(&auth.keys, auth.sessions.access_token_ttl, clock())),
            refresh_tokens: Arc::new(RefreshTokens::new(&auth.keys)),
            sessions: auth.sessions,
            passwords: auth.passwords,
            throttle: Arc::new(throttle),
            client_limit: settings.throttles.client.and_then(ClientLimit::new).map(Arc::new),
            fingerprints: Arc::new(Fingerprints::new(&auth.keys)),
            answers: Arc::new(Answers::new(&settings, &handles)),
            understood: Arc::new(Understood::new()),
            watched_at: Arc::new(WatchedAt::new(Arc::clone(&ports.watch_log), settings.replicated)),
            exports: Arc::new(Exports::new()),
            red: Arc::new(Red::new()?),
            readiness,
            settings: Arc::new(settings),
            ports,
            handles,
        })
    }

    /// Refuses what ends in a mail where no way out was set up.
    pub(crate) fn can_mail(&self) -> Result<(), Problem> {
        match self.handles.mailer {
            Some(_) => Ok(()),
            None => Err(Problem::of(ErrorCode::MailUnavailable)),
        }
    }

    /// Forgets what changes make untrue, until the actors end. The actors know of a change before
    /// it comes here, so that what is encoded anew is encoded of what is true now.
    pub(crate) async fn follow(self, mut applied: Receiver<Applied>) {
        loop {
            match applied.recv().await {
                Ok(Applied::Change(change)) => self.forget(change),
                Ok(Applied::Everything) | Err(RecvError::Lagged(_)) => {
                    self.gate.forget_all();
                    self.answers.anything_may_have_changed();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn forget(&self, change: Change) {
        match change {
            Change::Account(user) => {
                self.gate.forget(user);
                // A package tells who made it as long as there is such an account.
                self.answers.packages_have_changed();
            }
            Change::Movie(_) | Change::AllMovies => self.answers.movies_have_changed(),
            Change::Package(_) => self.answers.packages_have_changed(),
            // What was made of the list or of an entitlement follows what its actor publishes.
            Change::Genres | Change::Subscriptions(_) => {}
        }
    }
}
