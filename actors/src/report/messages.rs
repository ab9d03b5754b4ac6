//! What the ReportActor is asked and answers.

use actix::Message;

use crate::{
    domain::{Projection, UserId},
    ports::StoreError,
    supervision::ActorError,
};

/// A report could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReportError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actor did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Project a user's marks anew; `None` when the account is gone.
#[derive(Message)]
#[rtype(result = "Result<Option<Projection>, ReportError>")]
pub(super) struct Rebuild(pub(super) UserId);

/// Compare the users whose marks have changed since the last look with their projections.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reconcile;

/// Finish what is in hand and take nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
