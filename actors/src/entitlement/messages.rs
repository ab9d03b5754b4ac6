//! What the EntitlementActor is asked, answers and publishes.

use std::sync::Arc;

use actix::Message;
use tokio::time::Instant;

use crate::{
    domain::{Entitlement, GenreSet, Holding, PackageId, Timestamp, UserId},
    ports::StoreError,
    supervision::ActorError,
};

/// A user's entitlement as it was read, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntitlement {
    /// The set and the mode.
    pub entitlement: Arc<Entitlement>,
    /// The subscriptions that are active, and the genres that each brings.
    pub sources: Vec<EntitlementSource>,
    /// When reading it began; not by the time of day, which can be put back.
    pub read_at: Instant,
    /// When a subscription next begins or ends.
    pub valid_until: Option<Timestamp>,
}

/// A subscription and the genres that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementSource {
    /// The subscription and its package version.
    pub holding: Holding,
    /// The genres of that version.
    pub genres: GenreSet,
}

/// The entitlement could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EntitlementError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Read a user's entitlement, or join the read under way.
#[derive(Message)]
#[rtype(result = "Result<Arc<UserEntitlement>, EntitlementError>")]
pub(super) struct Load(pub(super) UserId);

/// What is remembered is not true any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub(super) enum Forget {
    User(UserId),
    Package(PackageId),
    Everything,
}
