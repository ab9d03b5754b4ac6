//! The bus that carries watch events.

use async_trait::async_trait;

use crate::domain::{EventId, Timestamp, TraceParent, UserId};

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusMessage {
    /// The bus drops a second message with an id that it has seen lately.
    pub event_id: EventId,
    /// Decides the partition.
    pub user_id: UserId,
    /// The word of its kind, as in subjects.
    pub kind: String,
    /// The event as JSON. Whoever receives it parses it: it may be from another version.
    pub payload: String,
    /// When its cause was committed.
    pub at: Timestamp,
    /// How often it was published before, on request: to the bus each time is another message.
    pub repetition: u32,
    /// The trace that its cause belongs to.
    pub traceparent: Option<TraceParent>,
    /// Why the bus could not read what it received; the payload is then all of that.
    pub unreadable: Option<String>,
}

/// The bus did not take, or did not give, a message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// It cannot be reached, or refused for now.
    #[error("the event bus is unavailable: {0}")]
    Unavailable(String),
    /// Whoever received the message did not finish with it: publish it again.
    #[error("the message was not acknowledged")]
    NotAcknowledged,
    /// The bus is stopping.
    #[error("the event bus is closed")]
    Closed,
}

/// Carries events to consumers, at least once, and those of a user in their order.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes messages in their order. `Ok` for a message means that the bus has taken
    /// responsibility for it: it will be delivered even if this process dies now.
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>>;

    /// The durable consumer of a partition. One at a time per partition.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError>;

    /// Puts a message that can never be applied aside, with the reason; the original is kept.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError>;

    /// Deletes what the bus keeps of a user who is gone, but for the announcement of that. Nothing
    /// happens where it keeps nothing.
    ///
    /// # Errors
    /// `Unavailable`: it has to be asked again.
    async fn erase(&self, user: UserId) -> Result<(), BusError>;

    /// Whether it can be reached.
    ///
    /// # Errors
    /// `Unavailable`, `Closed`.
    async fn check(&self) -> Result<(), BusError>;

    /// Ends every consumer: their `next` gives [`BusError::Closed`].
    async fn close(&self);
}

/// Gives the messages of one partition in order.
#[async_trait]
pub trait Consumer: Send {
    /// The next messages, at least one, at most `max`. Waits for the first.
    ///
    /// # Errors
    /// `Unavailable` (try again later), `Closed`.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;
}

/// A message, to be acknowledged. Dropped without an answer, it comes again.
pub struct Delivery {
    /// The message.
    pub message: BusMessage,
    /// How to answer.
    pub answer: Box<dyn Acknowledge>,
}

/// The answer to a delivery.
#[async_trait]
pub trait Acknowledge: Send {
    /// Somebody begins to deal with it: where that belongs in the trace of its cause, if it does not
    /// belong where the message itself says.
    fn begun(&mut self) -> Option<TraceParent> {
        None
    }

    /// It has been dealt with.
    ///
    /// # Errors
    /// `Unavailable`: it will come again.
    async fn acknowledge(self: Box<Self>) -> Result<(), BusError>;
}
