//! What the ReportActor is told.

use actix::Message;

/// Compare the users whose marks have changed since the last look with their projections.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reconcile;

/// Finish what is in hand and take nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain;
