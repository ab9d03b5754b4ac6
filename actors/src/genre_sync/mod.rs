//! Keeping the list of genres the same as TMDb's, on a timer of its own.

mod actor;
mod handle;
mod messages;

pub(crate) use handle::GenreSyncPorts;
pub use handle::{GenreSyncHandle, GenreSyncSettings};
pub use messages::{GenreSyncError, GenreSyncStatus};
