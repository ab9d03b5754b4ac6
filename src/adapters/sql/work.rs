//! Work on a connection: one statement that reads, several that see one moment, or a transaction.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
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
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.0.connection
    }
}

/// Told how far a piece of work has come.
pub(super) trait Progress: Sync {
    /// It has its connection.
    fn connected(&self) {}
    /// The commit is being sent: from here on its outcome may stay unknown.
    fn committing(&self) {}
}

impl Progress for () {}

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
            Engine::File(_) => self.attempt(frame, &mut work, &()).await,
            Engine::Server(server) => server.call(self, frame, work).await,
        }
    }

    /// Does the work once.
    pub(super) async fn attempt<T, E, F>(
        &self,
        frame: Frame,
        work: &mut impl FnMut(Tx) -> F,
        progress: &impl Progress,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let pool = match &self.engine {
            Engine::File(file) => file.pool(frame),
            Engine::Server(server) => server.pool(),
        };
        let connection = pool.acquire().await.db()?;
        progress.connected();
        let mut lent = Lent { connection, settled: false, wakes_relay: false };
        if let Some(begin) = self.dialect.begin(frame) {
            sqlx::raw_sql(begin).execute(&mut *lent.connection).await.db()?;
        }
        let lent = Arc::new(Mutex::new(lent));
        let result = work(Tx(Arc::clone(&lent).lock_owned().await)).await;
        let mut lent = lent.lock().await;
        match result {
            Ok(value) => {
                progress.committing();
                lent.end(frame, "COMMIT").await?;
                if lent.wakes_relay {
                    self.committed.notify_one();
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
