//! Deliveries that were dropped: given back so that they come again at once, and in order.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Subject, jetstream::Message};
use bytes::Bytes;
use watchme_actors::ports::BusError;

use super::connection::{Nats, unavailable};

const NAK: Bytes = Bytes::from_static(b"-NAK");
/// Longer than this the client cannot send; the server's own time-out gives the rest back.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one partition gives back: by the place in the stream, since the server delivers again in
/// the order in which it is told.
#[derive(Default)]
pub(super) struct Returns {
    waiting: Mutex<BTreeMap<u64, Subject>>,
    sending: tokio::sync::Mutex<()>,
}

impl Returns {
    pub(super) fn put(&self, sequence: u64, reply: Subject) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(sequence, reply);
    }

    pub(super) fn put_message(&self, message: &Message) {
        if let (Ok(info), Some(reply)) = (message.info(), &message.reply) {
            self.put(info.stream_sequence, reply.clone());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tells the server, and waits until it knows: what was put before comes before whatever is
    /// asked for afterwards. Without a connection it is kept for the next call.
    pub(super) async fn flush(&self, nats: &Nats) {
        let _sending = self.sending.lock().await;
        if !nats.is_connected() {
            return;
        }
        let waiting = take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async {
            let mut replies = waiting.into_values().peekable();
            while let Some(reply) = replies.next() {
                if replies.peek().is_some() {
                    nats.client.publish(reply, NAK).await.map_err(unavailable)?;
                } else {
                    // Answers and requests are queued apart on the server: only when it has
                    // confirmed the last answer may a request follow.
                    nats.client.request(reply, NAK).await.map_err(unavailable)?;
                }
            }
            Ok::<_, BusError>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, all).await {
            tracing::debug!(%error, "the server gives again what was dropped when its time is up");
        }
    }
}
