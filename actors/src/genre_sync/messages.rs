//! What the GenreSyncActor is asked, answers and publishes.

use actix::Message;

use crate::{
    ports::{StoreError, SyncRecord},
    supervision::ActorError,
    tmdb_client::TmdbError,
};

/// How the synchronisation of genres is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenreSyncStatus {
    /// What the last runs came to.
    pub record: SyncRecord,
    /// Whether one is running now.
    pub running: bool,
    /// Why the last run failed; `None` after a success.
    pub last_error: Option<String>,
    /// Failed runs since the start.
    pub failures: u64,
}

/// Why there is no list, or no newer one. The list that was there is kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GenreSyncError {
    /// No list was ever synced, and none came within 5 s.
    #[error("no list of genres has been synced yet")]
    NotReady,
    /// Another replica is synchronising.
    #[error("another replica is synchronising the genres")]
    HeldElsewhere,
    /// TMDb did not give a list.
    #[error(transparent)]
    Source(#[from] TmdbError),
    /// The list could not be read or stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Run now, or join the run that is under way.
#[derive(Message)]
#[rtype(result = "Result<(), GenreSyncError>")]
pub(super) struct SyncNow;

/// The timer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tick;

/// Another replica, or this one, has changed the stored list.
#[derive(Message)]
#[rtype(result = "Result<(), GenreSyncError>")]
pub(super) struct Reload;
