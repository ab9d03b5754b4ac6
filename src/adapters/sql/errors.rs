//! The driver's errors as the ports know them.

use sqlx::Error;
use watchme_actors::ports::StoreError;

const STORE: &str = "sql";

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

/// The driver's error as the ports know it.
pub(super) fn store_error(error: &Error) -> StoreError {
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

/// SQLite's codes for a damaged file and for one that is no database; the low byte is the code,
/// the rest says where it was noticed.
fn is_damage(code: Option<&str>) -> bool {
    const CORRUPT: i64 = 11;
    const NOT_A_DATABASE: i64 = 26;
    code.and_then(|code| code.parse::<i64>().ok())
        .is_some_and(|code| matches!(code & 0xff, CORRUPT | NOT_A_DATABASE))
}

/// Whether a write met a row with the same unique key.
pub(super) fn is_taken(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
