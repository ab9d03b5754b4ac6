//! What an operator does by command, over the same ports as the service.

mod admin;
mod events;
mod reports;

use std::{
    io::{self, Write},
    sync::Arc,
};

use watchme_actors::{
    domain::{Email, Invalid, PersonName, UserId},
    ports::{
        AccountError, Accounts, BusError, Clock, DeadLetters, Outbox, Reports, StoreError, WatchLog,
    },
};

use crate::auth::{PasswordError, Passwords};

pub use events::{Replay, Since};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Show events that could never be applied.
    ListDead {
        /// How many at most.
        limit: u32,
        /// One JSON object a line instead of text.
        json: bool,
    },
    /// Send events on their way again that were put aside.
    ReplayDead(Replay),
    /// Publish events again that were committed since then.
    Republish(Since),
    /// Project reports from the marks: of one user, or of everybody.
    RebuildReports(Option<UserId>),
    /// Make an admin.
    CreateAdmin {
        /// The address to sign in with.
        email: Email,
        /// What the admin is called.
        name: PersonName,
        /// Whether the password is a line of standard input, instead of one that is made up.
        password_stdin: bool,
    },
}

/// What tasks work with.
#[derive(Clone)]
pub struct TaskPorts {
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The hasher of their passwords.
    pub passwords: Passwords,
    /// What was put aside.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Events.
    pub outbox: Arc<dyn Outbox>,
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Marks.
    pub watch_log: Arc<dyn WatchLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A task was not done, or not wholly; doing it again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is no such letter.
    #[error("nothing is put aside under {0}: `watchme events dead list` shows what is")]
    NoSuchLetter(u64),
    /// There is no such account.
    #[error("there is no account {0}; a report that was left of it is deleted")]
    NoSuchUser(UserId),
    /// Somebody has the address.
    #[error("there is an account with the address {0} already; an admin can grant it the role")]
    EmailTaken(Email),
    /// The password cannot be taken.
    #[error("the password {0}")]
    Password(#[from] Invalid),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordError),
    /// The account could not be made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The moment is yet to come.
    #[error("--since lies in the future: nothing was published then")]
    SinceInFuture,
    /// The user's marks cannot be read.
    #[error("the marks of {0} cannot be read; the report is as it was")]
    Unreadable(UserId),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// What came of it could not be shown.
    #[error("the outcome could not be shown: {0}")]
    Output(#[from] io::Error),
}

/// Does a task and tells of it.
///
/// # Errors
/// [`TaskError`].
pub async fn run(task: Task, ports: &TaskPorts, out: &mut dyn Write) -> Result<(), TaskError> {
    match task {
        Task::ListDead { limit, json } => {
            events::list_dead(&*ports.dead_letters, limit, json, out).await
        }
        Task::ReplayDead(which) => events::replay_dead(&*ports.dead_letters, which, out).await,
        Task::Republish(since) => {
            let since = since.moment(ports.clock.now())?;
            events::republish(&*ports.outbox, since, out).await
        }
        Task::RebuildReports(user) => reports::rebuild(ports, user, out).await,
        Task::CreateAdmin { email, name, password_stdin } => {
            admin::create(ports, &email, &name, password_stdin, out).await
        }
    }
}
