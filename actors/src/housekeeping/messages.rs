//! The HousekeepingActor's timer.

use actix::Message;

/// Delete what has expired.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Sweep;
