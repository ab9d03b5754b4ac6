//! What goes wrong in MongoDB, in the words of the ports.

use std::fmt::Display;

use mongodb::error::{Error, ErrorKind, WriteFailure};
use watchme_actors::ports::StoreError;

const STORE: &str = "documents";
/// `DuplicateKey`.
pub(super) const DUPLICATE: i32 = 11_000;
/// A server that starts, stops, recovers or is not the primary any more.
const PASSING: [i32; 9] = [91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 9_001];

pub(super) fn unavailable(reason: impl Display) -> StoreError {
    StoreError::Unavailable { store: STORE, reason: reason.to_string() }
}

pub(super) fn corrupt(reason: impl Display) -> StoreError {
    StoreError::Corrupt { store: STORE, reason: reason.to_string() }
}

/// Its kind alone: the rest repeats it with the whole of the server's answer.
pub(super) fn store_error(error: &Error) -> StoreError {
    unavailable(&error.kind)
}

/// Whether the server cannot be reached, or is not the one that can answer: whatever comes next
/// would fail too.
pub(super) fn is_outage(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(command) => PASSING.contains(&command.code),
        _ => false,
    }
}

/// Whether the server is there and does not want this caller or this command.
pub(super) fn is_refusal(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(command) => !PASSING.contains(&command.code),
        _ => false,
    }
}

/// Whether a document with the identifier is there, but not one that the filter wanted.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE,
        ErrorKind::Command(command) => command.code == DUPLICATE,
        _ => false,
    }
}
