//! The one connection that writes to a SQLite file, and the line before it.
//!
//! A commit waits for the disk, a work does not. So works that have come while others were at it go
//! on in the same transaction, one after another in the order of their coming, each in a savepoint
//! of its own, and the last of them has it committed for all. Who is alone commits at once, together
//! with its last statements: nobody waits for company.
//!
//! The lock on the [`Group`] is the turn to write, and is given in the order of asking. Whoever gives
//! up half-way (the caller has gone, the work has panicked) lets go of it as it stands; the next one
//! clears up, and where there is none, [`Place`] sends one. A commit of several belongs to nobody who
//! could give up: it is a task of its own.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{AnyConnection, Connection, any::AnyConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot},
    time::timeout,
};
use watchme_actors::ports::StoreError;

use super::{
    admission::{self, Admission},
    batch::{Answers, Batch},
    dialect::{Dialect, Frame},
    errors::{Db, unavailable},
    news::News,
    sqlite::connect,
    work::{Held, Lent, Tx},
};

/// Works of one commit, at most: those of the first wait for the last.
const GROUP: usize = 128;

const SAVEPOINT: &str = "SAVEPOINT work";
const RELEASE: &str = "RELEASE work";
const UNDO: &str = "ROLLBACK TO work; RELEASE work";
const UNDO_ALL: &str = "ROLLBACK";
const COMMIT: &str = "COMMIT";
/// Fails within a transaction.
const NOTHING: &str = "BEGIN; ROLLBACK";

pub(super) type WriteConnection = OwnedMappedMutexGuard<Option<AnyConnection>, AnyConnection>;

/// Everything that writes to the file goes through it.
pub(super) struct Writer {
    options: AnyConnectOptions,
    pub(super) patience: Duration,
    news: Arc<News>,
    group: Arc<Mutex<Group>>,
    /// Locked only by who has the turn. `None` until the first write, and after a failure that the
    /// connection may not have come out of whole.
    connection: Arc<Mutex<Option<AnyConnection>>>,
    /// Who waits for a turn.
    pub(super) line: Arc<Admission>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("line", &self.line).finish_non_exhaustive()
    }
}

/// What a work came to.
struct Done<T> {
    value: T,
    /// It was alone.
    committed: bool,
}

/// The works of one transaction. It is open while there are members, or one is at work.
#[derive(Default)]
struct Group {
    /// Those who are done, and wait for the commit.
    members: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// How many of them have written.
    writes: u64,
    wakes_relay: bool,
    wakes_mailer: bool,
    /// Set while statements may be under way. Whoever finds it so clears up first.
    at_work: bool,
    closed: bool,
}

impl Writer {
    pub(super) fn new(options: AnyConnectOptions, patience: Duration, news: Arc<News>) -> Self {
        Self {
            options,
            patience,
            news,
            group: Arc::default(),
            connection: Arc::default(),
            line: Arc::default(),
        }
    }

    /// Does a piece of work in a transaction, beginning with questions that are known before.
    pub(super) async fn write<T, E, F>(
        self: &Arc<Self>,
        opening: &Batch,
        work: impl FnOnce(Tx, Answers) -> F,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        let mut place = Place::take(self);
        let mut group = place.turn().await?;
        let result = match self.work(&mut group, opening, work).await {
            Ok(Done { value, committed: true }) => {
                place.leave(group);
                return Ok(value);
            }
            Ok(Done { value, .. }) => Ok(value),
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.clear_up(&mut group).await;
            if group.members.is_empty() {
                place.leave(group);
                return result;
            }
        }
        // Also where it was refused: it may have been for what the others have done before it.
        let (tell, told) = oneshot::channel();
        group.members.push(tell);
        place.leave(group);
        told.await.unwrap_or_else(|_| Err(unavailable("the commit was broken off")))?;
        result
    }

    async fn work<T, E, F>(
        &self,
        group: &mut Group,
        opening: &Batch,
        work: impl FnOnce(Tx, Answers) -> F,
    ) -> Result<Done<T>, E>
    where
        E: From<StoreError>,
        F: Future<Output = Result<T, E>>,
    {
        self.clear_up(group).await;
        let mut connection = self.connection().await?;
        let (begin, end) = if group.members.is_empty() {
            (Dialect::Sqlite.begin(Frame::Write), None)
        } else {
            (Some(SAVEPOINT), Some(RELEASE))
        };
        group.at_work = true;
        let answers = opening.ask(Dialect::Sqlite, begin, &mut connection).await?;
        let lent = Lent::new(Held::Writer(connection), Dialect::Sqlite, Arc::default());
        let lent = Arc::new(Mutex::new(lent));
        let value = work(Tx::new(&lent).await, answers).await?;
        let mut lent = lent.lock().await;
        group.wakes_relay |= lent.wakes_relay;
        group.wakes_mailer |= lent.wakes_mailer;
        let alone = group.members.is_empty() && self.line.waiting() == 0;
        lent.end(if alone { Some(COMMIT) } else { end }).await?;
        let works = lent.works;
        drop(lent);
        group.at_work = false;
        group.writes += works;
        if alone {
            self.committed(group);
        }
        Ok(Done { value, committed: alone })
    }

    /// The turn, with nothing half-done.
    async fn group(&self) -> OwnedMutexGuard<Group> {
        let mut group = Arc::clone(&self.group).lock_owned().await;
        self.clear_up(&mut group).await;
        group
    }

    async fn connection(&self) -> Result<WriteConnection, StoreError> {
        let mut slot = Arc::clone(&self.connection).lock_owned().await;
        if slot.is_none() {
            *slot = Some(connect(&self.options).await.db()?);
        }
        OwnedMutexGuard::try_map(slot, Option::as_mut).map_err(|_| unavailable("not connected"))
    }

    /// Takes back what a work has left half-done, and nothing of what others have done before it.
    async fn clear_up(&self, group: &mut Group) {
        if !group.at_work {
            return;
        }
        let undone =
            if group.members.is_empty() { self.undo_all(group).await } else { self.undo().await };
        if let Err(error) = undone {
            self.break_off(group, &error).await;
        }
        group.at_work = false;
    }

    /// Where there is no transaction, it had not begun, or had been committed, and whoever it was for
    /// did not wait to hear of it.
    async fn undo_all(&self, group: &mut Group) -> Result<(), StoreError> {
        let Err(error) = self.execute(UNDO_ALL).await else { return Ok(()) };
        if self.execute(NOTHING).await.is_err() {
            return Err(error);
        }
        self.committed(group);
        Ok(())
    }

    /// Where there is no savepoint, the work had not begun, or had come to its end; unless the engine
    /// has given up the whole transaction, as it does when the disk is full.
    async fn undo(&self) -> Result<(), StoreError> {
        let Err(error) = self.execute(UNDO).await else { return Ok(()) };
        match self.execute("BEGIN").await {
            Err(_within_a_transaction) => Ok(()),
            Ok(()) => Err(error),
        }
    }

    async fn execute(&self, statement: &'static str) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        Batch::new().end(Dialect::Sqlite, Some(statement), &mut connection).await
    }

    /// Gives the transaction up, with everything that was done in it.
    async fn break_off(&self, group: &mut Group, error: &StoreError) {
        tracing::warn!(%error, writes = group.writes, "a transaction was given up");
        if let Some(connection) = self.connection.lock().await.take() {
            // Where it cannot say goodbye it is closed all the same.
            let _ = connection.close().await;
        }
        for member in std::mem::take(group).members {
            let _ = member.send(Err(error.clone()));
        }
    }

    /// Gives the turn to the next one, who goes on in the same transaction; where there is none, or
    /// enough is done, it is committed first.
    fn pass_on(self: &Arc<Self>, group: OwnedMutexGuard<Group>) {
        let nobody = self.line.waiting() == 0;
        if !group.members.is_empty() && (nobody || group.members.len() >= GROUP) {
            tokio::spawn(Arc::clone(self).commit(group));
        }
    }

    async fn commit(self: Arc<Self>, mut group: OwnedMutexGuard<Group>) {
        group.at_work = true;
        if let Err(error) = self.execute(COMMIT).await {
            self.break_off(&mut group, &error).await;
            return;
        }
        let members = self.committed(&mut group);
        // The next transaction begins while the members of this one hear of it.
        drop(group);
        for member in members {
            let _ = member.send(Ok(()));
        }
    }

    /// A transaction has come to its end; who waits to hear of it.
    fn committed(&self, group: &mut Group) -> Vec<oneshot::Sender<Result<(), StoreError>>> {
        let done = std::mem::take(group);
        self.news.committed(done.writes, done.wakes_relay, done.wakes_mailer);
        done.members
    }

    /// Closes the connection once everybody in the line has written; later calls are refused.
    pub(super) async fn close(self: &Arc<Self>) {
        let mut group = self.group().await;
        while !group.members.is_empty() {
            Arc::clone(self).commit(group).await;
            group = self.group().await;
        }
        group.closed = true;
        if let Some(connection) = self.connection.lock().await.take() {
            let _ = connection.close().await;
        }
    }
}

/// A place in the line, from its end to the end of the work.
struct Place<'a> {
    writer: &'a Arc<Writer>,
    waits: Option<admission::Place>,
    left: bool,
}

impl<'a> Place<'a> {
    fn take(writer: &'a Arc<Writer>) -> Self {
        Self { writer, waits: Some(writer.line.line_up()), left: false }
    }

    async fn turn(&mut self) -> Result<OwnedMutexGuard<Group>, StoreError> {
        let group = Arc::clone(&self.writer.group).lock_owned();
        let group = timeout(self.writer.patience, group)
            .await
            .map_err(|_| unavailable("no turn to write came in time"))?;
        self.waits.take().map(admission::Place::served);
        if group.closed {
            return Err(unavailable("the store is closed"));
        }
        Ok(group)
    }

    fn leave(mut self, group: OwnedMutexGuard<Group>) {
        self.left = true;
        self.writer.pass_on(group);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let writer = self.writer;
        let others = self.waits.take().is_some() && writer.line.waiting() > 0;
        if self.left || others {
            return;
        }
        // Somebody may count on this one to have the transaction committed.
        if let Ok(runtime) = Handle::try_current() {
            let writer = Arc::clone(writer);
            runtime.spawn(async move {
                let group = writer.group().await;
                writer.pass_on(group);
            });
        }
    }
}
