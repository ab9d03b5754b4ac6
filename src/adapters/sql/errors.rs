//! The driver's errors as the ports know them, and what else they tell about a call.

use std::cell::Cell;

use sqlx::{Error, mysql::MySqlDatabaseError};
use watchme_actors::ports::StoreError;

const STORE: &str = "sql";

/// What a failed call may be worth another try for; the ports' errors have no room for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing that trying again would change.
    #[default]
    None,
    /// A deadlock, which the server broke by giving this call up: others were in the way.
    Contended,
    /// A lock that did not come in time: somebody holds it, and may go on doing so.
    Held,
    /// No connection came in time: too many calls, or no answer to a new one.
    Starved,
    /// The connection is gone.
    Lost,
}

tokio::task_local! {
    static TROUBLE: Cell<Trouble>;
}

/// Does work and gives what trouble its last failure came from. Work that met an error and went on
/// has no trouble: only a failed result is to be asked.
pub(super) async fn troubled<T, E>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, (E, Trouble)> {
    TROUBLE
        .scope(Cell::default(), async {
            work.await.map_err(|error| (error, TROUBLE.with(Cell::take)))
        })
        .await
}

/// Whether the connection of the work under way is known to be gone.
pub(super) fn connection_is_lost() -> bool {
    TROUBLE.try_with(|trouble| trouble.get() == Trouble::Lost).unwrap_or(false)
}

/// Turns the driver's result into the ports' one.
pub(super) trait Db<T> {
    fn db(self) -> Result<T, StoreError>;
}

impl<T> Db<T> for Result<T, Error> {
    fn db(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

/// The store holds what this version cannot read.
pub(super) fn corrupt(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { store: STORE, reason: reason.to_string() }
}

/// The store cannot be used as it was configured, or not now.
pub(super) fn unavailable(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { store: STORE, reason: reason.to_string() }
}

/// More calls wait than is good for any of them.
pub(super) fn busy() -> StoreError {
    StoreError::Busy { store: STORE }
}

/// The driver's error as the ports know it.
pub(super) fn store_error(error: &Error) -> StoreError {
    // Outside of `troubled` nobody will ask.
    let _ = TROUBLE.try_with(|trouble| trouble.set(trouble_of(error)));
    match error {
        Error::Decode(_)
        | Error::ColumnDecode { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::TypeNotFound { .. }
        | Error::AnyDriverError(_)
        | Error::RowNotFound => corrupt(error),
        Error::Database(cause) if is_damage(cause.code().as_deref()) => corrupt(error),
        _ => unavailable(error),
    }
}

fn trouble_of(error: &Error) -> Trouble {
    match error {
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => Trouble::Lost,
        Error::PoolTimedOut => Trouble::Starved,
        Error::Database(cause) => cause
            .try_downcast_ref::<MySqlDatabaseError>()
            .map_or(Trouble::None, |cause| numbered(cause.number())),
        _ => Trouble::None,
    }
}

/// What the server's numbers say. 1205: lock wait, 1213: deadlock, 1020: MariaDB's word for a row
/// that changed since the snapshot. 1053, 1927, 3169, 4031: shutting down, killed, timed out.
fn numbered(number: u16) -> Trouble {
    match number {
        1020 | 1213 => Trouble::Contended,
        1205 => Trouble::Held,
        1053 | 1927 | 3169 | 4031 => Trouble::Lost,
        _ => Trouble::None,
    }
}

/// SQLite's codes for a damaged file and for one that is no database; the low byte is the code,
/// the rest says where it was noticed. (A server's codes have five characters.)
fn is_damage(code: Option<&str>) -> bool {
    const CORRUPT: i64 = 11;
    const NOT_A_DATABASE: i64 = 26;
    code.filter(|code| code.len() < 5)
        .and_then(|code| code.parse::<i64>().ok())
        .is_some_and(|code| matches!(code & 0xff, CORRUPT | NOT_A_DATABASE))
}

/// Whether a write met a row with the same unique key.
pub(super) fn is_taken(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
