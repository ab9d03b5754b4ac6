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
    admission::Admission,
    batch::{Answers, Batch},
    dialect::{Dialect, Frame},
    errors::{Db, connection_is_lost},
    store::Engine,
    writer::WriteConnection,
};

/// Where a piece of work has its connection from.
pub(super) enum Held {
    Pool(PoolConnection<Any>),
    Writer(WriteConnection),
}

/// A connection that is lent to a piece of work.
///
/// One of a pool that is dropped before the work has come to its end (the caller gave up, or time
/// did) is closed: a statement may still be under way on it, and an answer that comes late would be
/// taken for that of the next one. The engine then rolls the transaction back. (SQLite's writer does
/// statements one after another, each with a way of its own for its answer: it is cleared up.)
pub(super) struct Lent {
    held: Held,
    dialect: Dialect,
    settled: bool,
    /// Pieces of work that this one stands for.
    pub(super) works: u64,
    pub(super) wakes_relay: bool,
    pub(super) wakes_mailer: bool,
    ending: Batch,
    progress: Arc<Progress>,
}

impl Lent {
    pub(super) fn new(held: Held, dialect: Dialect, progress: Arc<Progress>) -> Self {
        Self {
            held,
            dialect,
            settled: false,
            works: 1,
            wakes_relay: false,
            wakes_mailer: false,
            ending: Batch::default(),
            progress,
        }
    }

    fn connection(&mut self) -> &mut AnyConnection {
        match &mut self.held {
            Held::Pool(connection) => connection,
            Held::Writer(connection) => connection,
        }
    }

    /// Does what the work has left for the end, and ends its frame.
    pub(super) async fn end(&mut self, frame: Option<&'static str>) -> Result<(), StoreError> {
        let ending = std::mem::take(&mut self.ending);
        ending.end(self.dialect, frame, self.connection()).await?;
        self.settled = true;
        Ok(())
    }

    async fn undo(&mut self, frame: Option<&'static str>) {
        self.ending = Batch::default();
        // Where it fails the connection is closed, which comes to the same.
        let _ = self.end(frame).await;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        match &mut self.held {
            Held::Pool(connection) if !self.settled => connection.close_on_drop(),
            _ => {}
        }
    }
}

/// The connection of a piece of work, in a transaction where its frame says so. Whoever lent it
/// has it back when the work drops it, so that futures of work need not borrow it.
pub(super) struct Tx(OwnedMutexGuard<Lent>);

impl Tx {
    pub(super) async fn new(lent: &Arc<Mutex<Lent>>) -> Self {
        Self(Arc::clone(lent).lock_owned().await)
    }

    /// Once this is committed, whoever waits for events is told.
    pub(super) fn wake_relay(&mut self) {
        self.0.wakes_relay = true;
    }

    /// It is as many pieces of work, or none.
    pub(super) fn stand_for(&mut self, works: u64) {
        self.0.works = works;
    }

    /// Once this is committed, whoever waits for mails is told.
    pub(super) fn wake_mailer(&mut self) {
        self.0.wakes_mailer = true;
    }

    /// Leaves statements for the end of the work: they go to the engine together with what ends its
    /// frame, if the work gives `Ok`.
    pub(super) fn end_with(&mut self, batch: Batch) {
        self.0.ending.extend(batch);
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match &self.0.held {
            Held::Pool(connection) => connection,
            Held::Writer(connection) => connection,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        // For the next statement: those before it were answered.
        self.0.progress.hear();
        self.0.connection()
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
    /// Reads by one statement. Where it would have to wait for long, it is refused.
    pub(super) async fn read<T, E, F>(&self, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.admit(Frame::Single, Admission::admit)?;
        self.run(Frame::Single, &Batch::default(), |tx, _| work(tx)).await
    }

    /// Reads what the service has to, to go on with what it has begun: this is never refused.
    pub(super) async fn read_on<T, E, F>(&self, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.run(Frame::Single, &Batch::default(), |tx, _| work(tx)).await
    }

    /// Reads by several statements that see the same moment. Where they would have to wait for long,
    /// they are refused.
    pub(super) async fn snapshot<T, E, F>(&self, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.admit(Frame::Snapshot, Admission::admit)?;
        self.run(Frame::Snapshot, &Batch::default(), |tx, _| work(tx)).await
    }

    /// Writes in a transaction, which is committed when the work gives `Ok` and rolled back
    /// otherwise. On a server the work is done again where others were in its way, so that it must
    /// have no effect but through its connection. Where it would have to wait for long, it is refused.
    pub(super) async fn write<T, E, F>(&self, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.write_after(&Batch::default(), |tx, _| work(tx)).await
    }

    /// The same, beginning with questions that are known before: they go to the engine together with
    /// what begins the transaction.
    pub(super) async fn write_after<T, E, F>(
        &self,
        opening: &Batch,
        work: impl FnMut(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.admit(Frame::Write, Admission::admit)?;
        self.run(Frame::Write, opening, work).await
    }

    /// Writes what decides whom to let in, beginning with questions that are known before: this is
    /// refused only where there is no room to wait.
    pub(super) async fn write_patiently_after<T, E, F>(
        &self,
        opening: &Batch,
        work: impl FnMut(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.admit(Frame::Write, Admission::admit_patiently)?;
        self.write_on_after(opening, work).await
    }

    /// Writes what the service has to, to end what it has begun: this is never refused.
    pub(super) async fn write_on<T, E, F>(&self, mut work: impl FnMut(Tx) -> F) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.write_on_after(&Batch::default(), |tx, _| work(tx)).await
    }

    /// The same, beginning with questions that are known before.
    pub(super) async fn write_on_after<T, E, F>(
        &self,
        opening: &Batch,
        work: impl FnMut(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.run(Frame::Write, opening, work).await
    }

    /// Whether one more may wait. Work that has begun is not asked again.
    fn admit(
        &self,
        frame: Frame,
        admit: fn(&Admission) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let line = match &self.engine {
            Engine::File(file) if frame == Frame::Write => &file.writer.line,
            _ => &self.waits.line,
        };
        admit(line).inspect_err(|_| {
            if frame == Frame::Write { self.news.refused() } else { self.waits.turned_away() }
        })
    }

    async fn run<T, E, F>(
        &self,
        frame: Frame,
        opening: &Batch,
        mut work: impl FnMut(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        match &self.engine {
            Engine::File(file) if frame == Frame::Write => file.writer.write(opening, work).await,
            Engine::File(_) => self.attempt(frame, opening, &mut work, &Arc::default()).await,
            Engine::Server(server) => server.call(self, frame, opening, work).await,
        }
    }

    /// Does the work once, on a connection of the pool.
    pub(super) async fn attempt<T, E, F>(
        &self,
        frame: Frame,
        opening: &Batch,
        work: &mut impl FnMut(Tx, Answers) -> F,
        progress: &Arc<Progress>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let pool = match &self.engine {
            Engine::File(file) => file.read.clone(),
            Engine::Server(server) => server.pool(),
        };
        progress.set(None);
        let connection = self.waits.acquire(&pool, frame).await.db()?;
        progress.hear();
        let mut lent = Lent::new(Held::Pool(connection), self.dialect, Arc::clone(progress));
        let begin = self.dialect.begin(frame);
        let answers = match opening.ask(self.dialect, begin, lent.connection()).await {
            Ok(answers) => answers,
            Err(error) => {
                if !connection_is_lost() {
                    progress.hear();
                    lent.undo((frame != Frame::Single).then_some("ROLLBACK")).await;
                }
                return Err(error.into());
            }
        };
        let lent = Arc::new(Mutex::new(lent));
        let result = work(Tx::new(&lent).await, answers).await;
        let mut lent = lent.lock().await;
        match result {
            Ok(value) => {
                progress.hear();
                progress.committing.store(true, Ordering::Relaxed);
                lent.end((frame != Frame::Single).then_some("COMMIT")).await?;
                if frame == Frame::Write {
                    self.news.committed(lent.works, lent.wakes_relay, lent.wakes_mailer);
                }
                Ok(value)
            }
            Err(error) => {
                if !connection_is_lost() {
                    lent.undo((frame != Frame::Single).then_some("ROLLBACK")).await;
                }
                Err(error)
            }
        }
    }
}
