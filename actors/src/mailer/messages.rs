//! What the MailerActor is told.

use actix::Message;

/// Send no more than what is in hand, give the lease up.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
