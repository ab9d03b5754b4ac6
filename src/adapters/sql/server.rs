//! The connections to a database server, and the bounds of every call to it.
//!
//! No call waits longer than [`CALL`], whatever the server does: a call that has no answer by then
//! is given up with its connection. From the first such call on, the server is doubted: a probe on
//! a connection of its own asks whether it is there. While it is not, calls fail at once. When it
//! answers again, calls go to a new pool, since the connections of the old one may be dead without
//! knowing it; and so they do where a connection was silent for [`SILENCE`], longer than a server
//! lets anybody wait for a lock. A call that spent its time in waiting for others says nothing
//! about connections.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use sqlx::{
    Any, AnyConnection, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::Pool,
};
use tokio::time::{sleep, timeout};
use watchme_actors::ports::StoreError;

use super::{
    SqlStore,
    batch::{Answers, Batch},
    dialect::Frame,
    errors::{Db, Trouble, troubled, unavailable},
    settings::SqlSettings,
    work::{Progress, Tx},
};

/// What one call may take with everything that it waits for.
const CALL: Duration = Duration::from_secs(2);
/// A connection that has not said a word for as long, with a statement under way, is dead.
const SILENCE: Duration = Duration::from_millis(1_500);
/// What the server may take to say that a lock did not come: its own limit of 1 s (see [`SESSION`])
/// and some leeway. With less time left, waiting for the lock again would tell less than the
/// server's answer does.
const LOCK: Duration = Duration::from_millis(1_100);
/// What the probe may take to connect and to be answered.
const PROBE: Duration = Duration::from_secs(1);
/// The probe's rest after a failure.
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// The least time between two new pools.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);
/// A connection that has rested for longer is asked whether it is still there before it is used.
const FRESH: Duration = Duration::from_secs(1);
/// A connection that has rested for as long is closed, at the latest after as long again.
const IDLE: Duration = Duration::from_secs(20);
/// What that question may take.
const PING: Duration = Duration::from_millis(500);
/// How often one call is tried when others are in its way.
const ATTEMPTS: u32 = 6;
/// The first pause between attempts, doubled after each; what is slept is a random part of it.
const BACK_OFF: Duration = Duration::from_millis(5);

/// `READ COMMITTED`: locks are on the rows that were found, not on the gaps beside them, so that
/// inserts do not wait for each other. A lock is waited for shorter than a call may take, so that a
/// row which is held is told from a server which is silent; a query that is too
/// slow is ended by the server for the same reason (MariaDB reads that part as a comment). A text
/// that is too long is refused, not cut. The server lets go of what a client held whose machine died
/// without a word after a minute; a connection in the pool does not rest that long.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),
        SESSION innodb_lock_wait_timeout = 1, SESSION wait_timeout = 60
        /*!80000 , SESSION max_execution_time = 1800 */";

pub(super) struct Server {
    settings: SqlSettings,
    options: AnyConnectOptions,
    pool: ArcSwap<Pool<Any>>,
    renewed: Mutex<Instant>,
    renewals: AtomicU64,
    away: AtomicBool,
    probing: AtomicBool,
    /// Connections that were made before this moment are not trusted without asking.
    doubted: Arc<Mutex<Instant>>,
    closed: AtomicBool,
}

/// Without the options, which hold a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("pool", &self.pool).field("away", &self.away).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_pool(
    settings: &SqlSettings,
    options: AnyConnectOptions,
    doubted: Arc<Mutex<Instant>>,
) -> Pool<Any> {
    AnyPoolOptions::new()
        .max_connections(settings.connections.max(1))
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(IDLE)
        // The hook below asks too, but not each time and not without an end.
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SESSION).execute(connection).await?;
                Ok(())
            })
        })
        .before_acquire(move |connection, meta| {
            let trusted = meta.idle_for < FRESH && meta.age < lock(&doubted).elapsed();
            Box::pin(async move {
                if trusted {
                    return Ok(true);
                }
                Ok(matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options)
}

impl Server {
    /// Connects once, so that what is wrong is known at once and by its name.
    pub(super) async fn open(
        settings: &SqlSettings,
        options: AnyConnectOptions,
    ) -> Result<Arc<Self>, StoreError> {
        if options.database_url.path().trim_matches('/').is_empty() {
            return Err(unavailable("the database URL names no database"));
        }
        let doubted = Arc::new(Mutex::new(Instant::now()));
        let pool = new_pool(settings, options.clone(), Arc::clone(&doubted));
        let server = Self {
            settings: settings.clone(),
            options,
            pool: ArcSwap::from_pointee(pool),
            renewed: Mutex::new(Instant::now()),
            renewals: AtomicU64::new(0),
            away: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            doubted,
            closed: AtomicBool::new(false),
        };
        let first = timeout(CALL, server.connect()).await.map_err(|_| silent())?.db()?;
        // A server that was told goodbye may hang up before all of it is said.
        let _ = timeout(CALL, first.close()).await;
        Ok(Arc::new(server))
    }

    /// A connection beside the pool.
    pub(super) async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        connection.ping().await?;
        Ok(connection)
    }

    pub(super) fn pool(&self) -> Pool<Any> {
        self.pool.load().as_ref().clone()
    }

    pub(super) fn patience(&self) -> Duration {
        self.settings.acquire_timeout
    }

    pub(super) fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Relaxed)
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Connections that are dead do not say goodbye.
        let _ = timeout(CALL, self.pool().close()).await;
    }

    /// Does the work within the bounds of a call.
    pub(super) async fn call<T, E, F>(
        self: &Arc<Self>,
        store: &SqlStore,
        frame: Frame,
        opening: &Batch,
        mut work: impl FnMut(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        if self.away.load(Ordering::Relaxed) {
            return Err(unavailable("the database is away").into());
        }
        let begun = Instant::now();
        let progress = Arc::new(Progress::default());
        match timeout(CALL, self.attempts(store, frame, opening, &mut work, &progress, begun)).await
        {
            Ok(result) => result,
            Err(_) => {
                self.doubt(progress.silence() >= SILENCE);
                Err(silent().into())
            }
        }
    }

    async fn attempts<T, E, F>(
        self: &Arc<Self>,
        store: &SqlStore,
        frame: Frame,
        opening: &Batch,
        work: &mut impl FnMut(Tx, Answers) -> F,
        progress: &Arc<Progress>,
        begun: Instant,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempt = 1;
        loop {
            let (error, trouble) =
                match troubled(store.attempt(frame, opening, work, progress)).await {
                    Ok(value) => return Ok(value),
                    Err(failed) => failed,
                };
            let has_time = trouble != Trouble::Held || begun.elapsed() + LOCK < CALL;
            match trouble {
                Trouble::Contended | Trouble::Held if attempt < ATTEMPTS && has_time => {
                    let pause = BACK_OFF * 2u32.pow(attempt - 1);
                    sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                }
                Trouble::Lost => {
                    self.doubt(false);
                    // Nothing was committed, or nobody knows.
                    if progress.is_committing() || attempt > 1 {
                        return Err(error);
                    }
                }
                Trouble::Starved => {
                    self.doubt(false);
                    return Err(error);
                }
                Trouble::Contended | Trouble::Held | Trouble::None => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Asks in the background whether the server is there. `renew`: the connections that are open
    /// are not to be used any more.
    fn doubt(self: &Arc<Self>, renew: bool) {
        *lock(&self.doubted) = Instant::now();
        if renew {
            self.renew();
        }
        if !self.probing.swap(true, Ordering::AcqRel) {
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }

    /// Puts a new pool in the place of the old one, whose connections are closed as they come back.
    fn renew(&self) {
        {
            let mut renewed = lock(&self.renewed);
            if renewed.elapsed() < RENEWAL_PAUSE || self.closed.load(Ordering::Relaxed) {
                return;
            }
            *renewed = Instant::now();
        }
        let pool = new_pool(&self.settings, self.options.clone(), Arc::clone(&self.doubted));
        self.renewals.fetch_add(1, Ordering::Relaxed);
        let old = self.pool.swap(Arc::new(pool));
        tokio::spawn(async move {
            let _ = timeout(CALL, old.close()).await;
        });
    }
}

fn silent() -> StoreError {
    unavailable(format_args!("the database did not answer within {} s", CALL.as_secs()))
}

/// Asks until the server answers.
async fn probe(server: std::sync::Weak<Server>) {
    loop {
        let Some(server) = server.upgrade() else { return };
        let answer = timeout(PROBE, server.connect()).await;
        if let Ok(Ok(connection)) = answer {
            if server.away.load(Ordering::Relaxed) {
                server.renew();
                tracing::info!("the database answers again");
            }
            server.probing.store(false, Ordering::Release);
            server.away.store(false, Ordering::Relaxed);
            let _ = timeout(PROBE, connection.close()).await;
            return;
        }
        if server.closed.load(Ordering::Relaxed) {
            return;
        }
        if !server.away.swap(true, Ordering::Relaxed) {
            let reason = match answer {
                Ok(Err(error)) => error.to_string(),
                _ => silent().to_string(),
            };
            tracing::warn!(reason, "the database is away");
        }
        drop(server);
        sleep(PROBE_PAUSE).await;
    }
}
