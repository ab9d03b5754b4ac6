//! What the RelayActor is told.

use actix::Message;

/// Finish the batch in hand, publish no more, give the lease up.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
