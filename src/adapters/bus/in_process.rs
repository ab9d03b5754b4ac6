//! The event bus of a single process.
//!
//! Nothing is stored here: the outbox is. So a message counts as taken only when its consumer has
//! acknowledged it, and whatever dies in between leaves it in the outbox, to be published again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot, watch};
use watchme_actors::{
    domain::{PARTITIONS, Timestamp, UserId, partition_of},
    ports::{Acknowledge, BusError, BusMessage, Consumer, Delivery, EventBus, Outbox},
};

/// Messages that wait in one partition; beyond that, publishing waits.
const WAITING: usize = 1_024;
/// How long the consumer may take before the message is published again.
const PATIENCE: Duration = Duration::from_secs(30);

struct Envelope {
    message: BusMessage,
    acknowledged: oneshot::Sender<()>,
}

struct Partition {
    sender: mpsc::Sender<Envelope>,
    /// Whoever consumes holds the lock: one at a time.
    receiver: Arc<Mutex<mpsc::Receiver<Envelope>>>,
}

/// Hands messages from the relay to the consumers of the same process.
#[derive(Clone)]
pub struct InProcessBus {
    partitions: Arc<Vec<Partition>>,
    outbox: Arc<dyn Outbox>,
    closed: Arc<watch::Sender<bool>>,
}

impl InProcessBus {
    /// A bus that puts poison aside in the outbox that it came from.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>) -> Self {
        let partition = |_| {
            let (sender, receiver) = mpsc::channel(WAITING);
            Partition { sender, receiver: Arc::new(Mutex::new(receiver)) }
        };
        Self {
            partitions: Arc::new((0..PARTITIONS).map(partition).collect()),
            outbox,
            closed: Arc::new(watch::Sender::new(false)),
        }
    }

    fn partition(&self, number: u8) -> Result<&Partition, BusError> {
        self.partitions
            .get(usize::from(number))
            .ok_or_else(|| BusError::Unavailable(format!("there is no partition {number}")))
    }
}

#[async_trait]
impl EventBus for InProcessBus {
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        let mut taken = Vec::with_capacity(messages.len());
        for message in messages {
            let (acknowledged, outcome) = oneshot::channel();
            let sent = match self.partition(partition_of(message.user_id)) {
                Ok(partition) => {
                    let envelope = Envelope { message, acknowledged };
                    tokio::time::timeout(PATIENCE, partition.sender.send(envelope))
                        .await
                        .is_ok_and(|sent| sent.is_ok())
                }
                Err(_) => false,
            };
            taken.push((sent, outcome));
        }
        join_all(taken.into_iter().map(|(sent, outcome)| async move {
            if !sent {
                return Err(BusError::NotAcknowledged);
            }
            match tokio::time::timeout(PATIENCE, outcome).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(BusError::NotAcknowledged),
            }
        }))
        .await
    }

    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError> {
        let receiver = Arc::clone(&self.partition(partition)?.receiver).lock_owned().await;
        Ok(Box::new(InProcessConsumer { receiver, closed: self.closed.subscribe() }))
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError> {
        self.outbox
            .bury(message.event_id, reason, Timestamp::now())
            .await
            .map_err(|error| BusError::Unavailable(error.to_string()))
    }

    async fn erase(&self, _: UserId) -> Result<(), BusError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), BusError> {
        if *self.closed.borrow() { Err(BusError::Closed) } else { Ok(()) }
    }

    async fn close(&self) {
        self.closed.send_replace(true);
    }
}

struct InProcessConsumer {
    receiver: OwnedMutexGuard<mpsc::Receiver<Envelope>>,
    closed: watch::Receiver<bool>,
}

#[async_trait]
impl Consumer for InProcessConsumer {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut envelopes = Vec::new();
        tokio::select! {
            _ = self.closed.wait_for(|closed| *closed) => return Err(BusError::Closed),
            received = self.receiver.recv_many(&mut envelopes, max) => {
                if received == 0 {
                    return Err(BusError::Closed);
                }
            }
        }
        Ok(envelopes
            .into_iter()
            .map(|Envelope { message, acknowledged }| Delivery {
                message,
                answer: Box::new(Receipt(acknowledged)),
            })
            .collect())
    }
}

struct Receipt(oneshot::Sender<()>);

#[async_trait]
impl Acknowledge for Receipt {
    async fn acknowledge(self: Box<Self>) -> Result<(), BusError> {
        // A publisher that gave up will publish again, and the event will be a duplicate.
        let _ = self.0.send(());
        Ok(())
    }
}
