//! What the TrendingActor is told.

use actix::Message;

use crate::{ports::StoreError, supervision::ActorError};

/// The trending films could not be read, or what was counted could not be stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrendingError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Store what was counted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Flush;

/// Read the trending films.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Refresh;

/// Delete scores that no window reaches back to.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Purge;

/// Store what was counted and read the trending films, both now.
#[derive(Message)]
#[rtype(result = "Result<(), TrendingError>")]
pub(super) struct RefreshNow;

/// Store what was counted: the process stops.
#[derive(Message)]
#[rtype(result = "Result<(), TrendingError>")]
pub(super) struct Drain;
