//! What goes wrong in SQLite, in the words of the ports.

use sqlx::migrate::MigrateError;
use watchme_actors::ports::StoreError;

const STORE: &str = "documents";
/// SQLite's primary codes `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
const DAMAGED: [i32; 2] = [11, 26];

pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let reason = error.to_string();
    let unreadable = match &error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        // The low byte of an extended code is the primary one.
        sqlx::Error::Database(database) => database
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| DAMAGED.contains(&(code & 0xff))),
        _ => false,
    };
    if unreadable {
        StoreError::Corrupt { store: STORE, reason }
    } else {
        StoreError::Unavailable { store: STORE, reason }
    }
}

pub(super) fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            store_error(error)
        }
        other => StoreError::Corrupt { store: STORE, reason: other.to_string() },
    }
}

pub(super) fn corrupt(reason: String) -> StoreError {
    StoreError::Corrupt { store: STORE, reason }
}
