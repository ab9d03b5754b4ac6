//! Work on a connection: one statement that reads, several that see one moment, or a transaction.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Any, AnyConnection, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use watchme_actors::ports::StoreError;

use super::{
    SqlStore,
    dialect::Frame,
    errors::{Db, connection_is_lost},
    store::Engine,
};

/// A connection that is lent to a piece of work.
///
/// Dropped before the work has come to its end (the caller gave up, or time did), it is closed: a
/// statement may still be under way on it, and an answer that comes late would be taken for that of
/// the next one. The engine then rolls the transaction back.
struct Lent {
    connection: PoolConnection<Any>,
    settled: bool,
    wakes_relay: bool,
    wakes_mailer: bool,
    progress: Arc<Progress>,
}

impl Lent {
    async fn end(&mut self, frame: Frame, statement: &'static str) -> Result<(), StoreError> {
        if frame != Frame::Single {
            sqlx::raw_sql(statement).execute(&mut *self.connection).await.db()?;
        }
        self.settled = true;
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.close_on_drop();
        }
    }
}

/// The connection of a piece of work, in a transaction where its frame says so. Whoever lent it
/// has it back when the work drops it, so that futures of work need not borrow it.
pub(super) struct Tx(OwnedMutexGuard<Lent>);

impl Tx {
    /// Once this is committed, whoever waits for events is told.
    pub(super) fn wake_relay(&mut self) {
        self.0.wakes_relay = true;
    }

    /// Once this is committed, whoever waits for mails is told.
    pub(super) fn wake_mailer(&mut self) {
        self.0.wakes_mailer = true;
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        // For the next statement: those before it were answered.
        self.0.progress.hear();
        &mut self.0.connection
    }
}

/// How far a piece of work has come, seen from outside of its future.
#[derive(Debug, Default)]
pub(super) struct Progress {
    heard: StdMutex<Option<Instant>>,
    committing: AtomicBool,
}

impl Progress {
    fn set(&self, heard: Option<Instant>) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
    }

    fn hear(&self) {
        self.set(Some(Instant::now()));
    }

    /// For how long its connection has said nothing; nothing at all while it has none.
    pub(super) fn silence(&self) -> Duration {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|heard| heard.elapsed()).unwrap_or_default()
    }

    /// Whether the commit was sent: from then on its outcome may stay unknown.
    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed)
    }
}

impl SqlStore {
    /// Reads by one statement.
    pub(super) async fn read<T, E, F>(&self, work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.run(Frame::Single, work).await
    }

    /// Reads by several statements that see the same moment.
    pub(super) async fn snapshot<T, E, F>(&self, work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.run(Frame::Snapshot, work).await
    }

    /// Writes in a transaction, which is committed when the work gives `Ok` and rolled back
    /// otherwise. On a server the work is done again where others were in its way, so that it must
    /// have no effect but through its connection.
    pub(super) async fn write<T, E, F>(&self, work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.run(Frame::Write, work).await
    }

    async fn run<T, E, F>(&self, frame: Frame, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        match &self.engine {
            Engine::File(_) => self.attempt(frame, &mut work, &Arc::default()).await,
            Engine::Server(server) => server.call(self, frame, work).await,
        }
    }

    /// Does the work once.
    pub(super) async fn attempt<T, E, F>(
        &self,
        frame: Frame,
        work: &mut impl FnMut(Tx) -> F,
        progress: &Arc<Progress>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let pool = match &self.engine {
            Engine::File(file) => file.pool(frame),
            Engine::Server(server) => server.pool(),
        };
        progress.set(None);
        let connection = pool.acquire().await.db()?;
        progress.hear();
        let mut lent = Lent {
            connection,
            settled: false,
            wakes_relay: false,
            wakes_mailer: false,
            progress: Arc::clone(progress),
        };
        if let Some(begin) = self.dialect.begin(frame) {
            sqlx::raw_sql(begin).execute(&mut *lent.connection).await.db()?;
        }
        let lent = Arc::new(Mutex::new(lent));
        let result = work(Tx(Arc::clone(&lent).lock_owned().await)).await;
        let mut lent = lent.lock().await;
        match result {
            Ok(value) => {
                progress.hear();
                progress.committing.store(true, Ordering::Relaxed);
                lent.end(frame, "COMMIT").await?;
                if lent.wakes_relay {
                    self.committed.notify_one();
                }
                if lent.wakes_mailer {
                    self.mail_queued.notify_one();
                }
                Ok(value)
            }
            Err(error) => {
                if !connection_is_lost() {
                    // Where it fails the connection is closed, which comes to the same.
                    let _ = lent.end(frame, "ROLLBACK").await;
                }
                Err(error)
            }
        }
    }
}
