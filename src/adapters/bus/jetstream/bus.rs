//! Watch events on JetStream.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream::context::GetStreamErrorKind;
use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use watchme_actors::{
    domain::{PARTITIONS, UserId, partition_of},
    ports::{BusError, BusMessage, Consumer, EventBus},
};

use super::{
    connection::{Nats, unavailable},
    consumer::PartitionConsumer,
    dead_letters::put_aside,
    envelope,
    originals::{Original, Originals},
    publish::{Letter, Refusal},
    returns::Returns,
};

const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// Longer than a request of a consumer takes to end.
const CLOSE_WITHIN: Duration = Duration::from_millis(1_500);

/// Publishes watch events to the stream and gives them to the consumers of this process. Clones
/// share everything.
#[derive(Clone)]
pub struct NatsBus {
    pub(super) nats: Nats,
    partitions: Arc<Vec<Partition>>,
    originals: Arc<Originals>,
    closed: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
pub(super) struct Partition {
    /// Whoever consumes holds it.
    sole: Arc<Mutex<()>>,
    pub(super) returns: Arc<Returns>,
}

impl NatsBus {
    /// The bus over a connection.
    #[must_use]
    pub fn new(nats: &Nats) -> Self {
        Self {
            nats: nats.clone(),
            partitions: Arc::new((0..PARTITIONS).map(|_| Partition::default()).collect()),
            originals: Arc::default(),
            closed: Arc::new(watch::Sender::new(false)),
        }
    }

    pub(super) fn open(&self) -> Result<(), BusError> {
        if *self.closed.borrow() { Err(BusError::Closed) } else { Ok(()) }
    }

    fn letter(&self, message: &BusMessage) -> Letter {
        let subject = self.nats.names.watch(&message.kind, message.user_id);
        Letter::new(subject, &envelope::message_id(message), envelope::written(message))
            .traced(message.traceparent)
    }

    /// Publishes what has not succeeded yet: users side by side, each user's events one after the
    /// other, and none after one that failed, so that none can overtake it. Whether the stream was
    /// missing.
    async fn pass(&self, messages: &[BusMessage], outcomes: &mut [Result<(), BusError>]) -> bool {
        let mut users: HashMap<UserId, usize> = HashMap::new();
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for (index, message) in messages.iter().enumerate().filter(|(i, _)| outcomes[*i].is_err()) {
            let chain = *users.entry(message.user_id).or_insert_with(|| {
                chains.push(Vec::new());
                chains.len() - 1
            });
            chains[chain].push(index);
        }
        let sent = chains.iter().map(|chain| async move {
            for (done, index) in chain.iter().enumerate() {
                if let Err(refusal) = self.nats.publish_once(self.letter(&messages[*index])).await {
                    return (done, Some(refusal));
                }
            }
            (chain.len(), None)
        });
        let mut missing = false;
        for (chain, (done, refusal)) in chains.iter().zip(join_all(sent).await) {
            for index in &chain[..done] {
                outcomes[*index] = Ok(());
            }
            if let Some(refusal) = refusal {
                missing |= matches!(refusal, Refusal::Missing);
                outcomes[chain[done]] = Err(refusal.into());
            }
        }
        missing
    }
}

#[async_trait]
impl EventBus for NatsBus {
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        if let Err(error) = self.nats.connected() {
            return vec![Err(error); messages.len()];
        }
        let seen = self.nats.declared.epoch();
        let mut outcomes = vec![Err(BusError::NotAcknowledged); messages.len()];
        if self.pass(&messages, &mut outcomes).await
            && self.nats.declared.declare(&self.nats.jetstream, seen).await.is_ok()
        {
            self.pass(&messages, &mut outcomes).await;
        }
        outcomes
    }

    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError> {
        self.open()?;
        let desk = self
            .partitions
            .get(usize::from(partition))
            .ok_or_else(|| unavailable(format_args!("there is no partition {partition}")))?;
        let sole = Arc::clone(&desk.sole).lock_owned().await;
        self.nats.reached().await?;
        let (declared, jetstream) = (&self.nats.declared, &self.nats.jetstream);
        let found = declared.consumer_or_declare(jetstream, partition, declared.epoch());
        let durable = self.nats.unless_lost(found).await?;
        Ok(Box::new(PartitionConsumer::new(
            self.nats.clone(),
            partition,
            durable,
            desk,
            Arc::clone(&self.originals),
            self.closed.subscribe(),
            sole,
        )))
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError> {
        let original = self.originals.find(message.event_id);
        let original = original.as_deref().cloned().unwrap_or_else(|| Original {
            subject: self.nats.names.watch(&message.kind, message.user_id),
            message_id: Some(envelope::message_id(message)),
            place: message.event_id.to_string(),
            traceparent: message.traceparent,
            body: envelope::written(message),
        });
        let user = message.user_id;
        put_aside(&self.nats, partition_of(user), Some(user), &original, reason).await
    }

    async fn erase(&self, user: UserId) -> Result<(), BusError> {
        self.nats.erase(user).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.open()?;
        self.nats.connected()?;
        let seen = self.nats.declared.epoch();
        let stream = self.nats.declared.watch_stream();
        let answer = timeout(CHECK_WITHIN, self.nats.jetstream.get_stream(stream)).await;
        match answer.map_err(|_| unavailable("the stream did not answer in time"))? {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => {
                self.nats.declared.declare(&self.nats.jetstream, seen).await
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        let ended = join_all(self.partitions.iter().map(|partition| partition.sole.lock()));
        let _ = timeout(CLOSE_WITHIN, ended).await;
        let _ = timeout(CHECK_WITHIN, self.nats.client.flush()).await;
    }
}
