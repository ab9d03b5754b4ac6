//! The durable consumer of a partition.
//!
//! Messages are asked for in requests that are over before anything is handed on: were more to
//! arrive meanwhile, one that is given back would be overtaken by those behind it.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    Message,
    consumer::{
        Consumer as Durable,
        pull::{Batch, BatchErrorKind, Config},
    },
};
use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, watch},
    time::{Instant, timeout_at},
};
use watchme_actors::ports::{BusError, Consumer, Delivery};

use super::{
    bus::Partition,
    connection::{Nats, unavailable},
    dead_letters::put_aside,
    envelope,
    originals::{Original, Originals},
    receipt::Receipt,
    returns::Returns,
};

/// How long the server keeps a request for the next message. Short: stopping waits for its end.
const WAIT: Duration = Duration::from_secs(1);
/// What the server has not answered by then, after a request's own time, is lost.
const GRACE: Duration = Duration::from_secs(2);
/// Between two attempts to be given what the server does not give.
const PAUSE: Duration = Duration::from_millis(200);

/// An open request.
struct Pull {
    batch: Batch,
    until: Instant,
    /// Whether it waits for one message instead of taking what is there.
    waits: bool,
}

pub(super) struct PartitionConsumer {
    nats: Nats,
    partition: u8,
    durable: Durable<Config>,
    returns: Arc<Returns>,
    originals: Arc<Originals>,
    closed: watch::Receiver<bool>,
    /// Outlives a `next` that is given up: what arrives for it must not be lost.
    pull: Option<Pull>,
    received: Vec<Message>,
    /// Nothing was there when last asked.
    idle: bool,
    /// One consumer at a time in this process. `None` only while this is dropped.
    sole: Option<OwnedMutexGuard<()>>,
}

impl PartitionConsumer {
    pub(super) fn new(
        nats: Nats,
        partition: u8,
        durable: Durable<Config>,
        desk: &Partition,
        originals: Arc<Originals>,
        closed: watch::Receiver<bool>,
        sole: OwnedMutexGuard<()>,
    ) -> Self {
        Self {
            nats,
            partition,
            durable,
            returns: Arc::clone(&desk.returns),
            originals,
            closed,
            pull: None,
            received: Vec::new(),
            idle: false,
            sole: Some(sole),
        }
    }

    /// Opens a request, unless one is open.
    async fn ask(&mut self, max: usize) -> Result<(), BatchErrorKind> {
        if self.pull.is_some() {
            return Ok(());
        }
        let waits = self.idle;
        let (batch, time) = if waits {
            (self.durable.batch().max_messages(1).expires(WAIT).messages().await, WAIT)
        } else {
            (self.durable.fetch().max_messages(max).messages().await, Duration::ZERO)
        };
        let batch = batch.map_err(|error| error.kind())?;
        self.pull = Some(Pull { batch, until: Instant::now() + time + GRACE, waits });
        Ok(())
    }

    /// Reads the open request to its end.
    async fn gather(&mut self) -> Result<(), BusError> {
        while let Some(pull) = &mut self.pull {
            match timeout_at(pull.until, pull.batch.next()).await {
                Ok(Some(Ok(message))) => {
                    self.received.push(message);
                    if pull.waits {
                        self.pull = None;
                    }
                }
                Ok(None) => self.pull = None,
                Ok(Some(Err(error))) => {
                    self.pull = None;
                    return Err(unavailable(error));
                }
                Err(_) => {
                    self.pull = None;
                    return Err(unavailable("the server did not answer"));
                }
            }
        }
        Ok(())
    }

    /// After a failure: waits for the connection for a while, and makes what is missing. Where
    /// there is none, whoever consumes has to know: another replica may have one.
    async fn restore(&mut self, seen: u64) -> Result<(), BusError> {
        self.nats.reached().await?;
        tokio::time::sleep(PAUSE).await;
        let declared = &self.nats.declared;
        let found = declared.consumer_or_declare(&self.nats.jetstream, self.partition, seen);
        self.durable = self.nats.unless_lost(found).await?;
        Ok(())
    }

    /// At least one message, in the order of the stream.
    async fn receive(&mut self, max: usize) -> Result<(), BusError> {
        loop {
            if !self.returns.is_empty() {
                // What is given back comes before what was received after it.
                let _ = self.gather().await;
                for message in self.received.drain(..) {
                    self.returns.put_message(&message);
                }
                self.returns.flush(&self.nats).await;
            }
            if !self.received.is_empty() && self.pull.is_none() {
                return Ok(());
            }
            let seen = self.nats.declared.epoch();
            let outcome = match self.ask(max).await {
                Ok(()) => self.gather().await,
                Err(error) => Err(unavailable(error)),
            };
            self.idle = self.received.is_empty();
            match outcome {
                Err(error) if self.idle => {
                    tracing::debug!(%error, partition = self.partition, "no watch events for now");
                    self.restore(seen).await?;
                }
                _ => {}
            }
        }
    }

    /// Hands a message on, or puts it aside when its subject says nobody's.
    async fn delivery(&self, message: &Message) -> Result<Option<Delivery>, BusError> {
        let original = Original::of(message);
        let (Ok(info), Some(reply)) = (message.info(), &message.reply) else { return Ok(None) };
        let sequence = info.stream_sequence;
        let subject = self.nats.names.read_watch(&original.subject);
        let Some((subject, user)) = subject.and_then(|it| it.user.map(|user| (it, user))) else {
            let reason = "its subject names no user";
            tracing::error!(subject = original.subject, "a message without a user is put aside");
            put_aside(&self.nats, self.partition, None, &original, reason).await?;
            message.ack().await.map_err(unavailable)?;
            return Ok(None);
        };
        let id = original.message_id.as_deref();
        let read = envelope::read(&original.body, &subject, user, id);
        let answer = Receipt {
            nats: self.nats.clone(),
            returns: Arc::clone(&self.returns),
            sequence,
            reply: Some(reply.clone()),
            _original: self.originals.hold(read.event_id, original),
        };
        Ok(Some(Delivery { message: read, answer: Box::new(answer) }))
    }
}

#[async_trait]
impl Consumer for PartitionConsumer {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut closed = self.closed.clone();
        loop {
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => return Err(BusError::Closed),
                received = self.receive(max) => received?,
            }
            let mut deliveries = Vec::new();
            while deliveries.len() < max && !self.received.is_empty() {
                let message = self.received.remove(0);
                match self.delivery(&message).await {
                    Ok(delivery) => deliveries.extend(delivery),
                    Err(error) => {
                        // Those before it are dropped with this and come again before it.
                        self.returns.put_message(&message);
                        return Err(error);
                    }
                }
            }
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }
}

impl Drop for PartitionConsumer {
    fn drop(&mut self) {
        let (nats, returns, sole) =
            (self.nats.clone(), Arc::clone(&self.returns), self.sole.take());
        let (pull, received) = (self.pull.take(), std::mem::take(&mut self.received));
        for message in &received {
            returns.put_message(message);
        }
        if pull.is_none() && returns.is_empty() {
            return;
        }
        // Where the request was made: its timers end with that runtime, and so may this.
        let runtime = Handle::try_current().unwrap_or_else(|_| self.nats.runtime.clone());
        runtime.spawn(async move {
            if let Some(Pull { mut batch, until, .. }) = pull {
                while let Ok(Some(Ok(message))) = timeout_at(until, batch.next()).await {
                    returns.put_message(&message);
                }
            }
            returns.flush(&nats).await;
            drop(sole);
        });
    }
}
