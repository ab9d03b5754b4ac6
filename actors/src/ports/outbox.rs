//! Events that were committed with their cause and wait to be published.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::StoreError;
use crate::domain::{EventId, Timestamp, TraceParent, UserId};

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Ascending, but ids become visible out of order: never a cursor.
    pub id: i64,
    /// The event.
    pub event_id: EventId,
    /// Whose.
    pub user_id: UserId,
    /// The word of its kind, as in subjects.
    pub kind: String,
    /// The event as JSON.
    pub payload: String,
    /// When its cause was committed.
    pub at: Timestamp,
    /// How often it has been published.
    pub times_published: u32,
    /// The trace that its cause belongs to.
    pub traceparent: Option<TraceParent>,
}

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events that are not published.
    pub events: u64,
    /// When the oldest of them was committed.
    pub oldest: Option<Timestamp>,
}

/// The outbox.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Signalled after every commit that wrote an event, so that nobody has to poll.
    fn committed(&self) -> Arc<Notify>;

    /// The oldest events that are neither published nor buried, in order of id.
    async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError>;

    /// Notes that the bus has taken these events.
    async fn mark_published(&self, ids: &[i64], now: Timestamp) -> Result<(), StoreError>;

    /// Notes that an event can never be applied, and why. It is kept and not published again.
    async fn bury(&self, event: EventId, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Lets events wait again that were committed at `since` or later and have been published;
    /// their number. Whoever receives them a second time knows them by their id.
    async fn republish(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// What waits.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Deletes events that were published before a moment, at most a bounded batch a call; the
    /// number deleted, so that 0 says that nothing is left.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}
