//! Keeping the list of genres the same as TMDb's, on a timer of its own.

mod actor;
mod handle;
mod messages;

pub use handle::{GenreSyncHandle, GenreSyncPorts, GenreSyncSettings};
pub use messages::{GenreSyncError, GenreSyncStatus};
