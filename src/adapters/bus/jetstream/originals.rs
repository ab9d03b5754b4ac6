//! The messages that are being dealt with, as they came: what is put aside keeps every byte.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_nats::{header::NATS_MESSAGE_ID, jetstream::Message};
use bytes::Bytes;
use watchme_actors::domain::{EventId, TraceParent};

use super::publish::trace_of;

/// A message as it came.
#[derive(Debug, Clone)]
pub(super) struct Original {
    pub(super) subject: String,
    /// The identifier it was published with.
    pub(super) message_id: Option<String>,
    /// Tells it from every other message of the stream, with an identifier or without.
    pub(super) place: String,
    pub(super) traceparent: Option<TraceParent>,
    pub(super) body: Bytes,
}

impl Original {
    pub(super) fn of(message: &Message) -> Self {
        let headers = message.headers.as_ref();
        // A stream that was made again counts from 1 again: the time tells them apart.
        let place = message.info().map_or_else(
            |_| "nowhere".to_owned(),
            |info| format!("{}-{}", info.published.unix_timestamp_nanos(), info.stream_sequence),
        );
        Self {
            subject: message.subject.to_string(),
            message_id: headers
                .and_then(|headers| headers.get(NATS_MESSAGE_ID))
                .map(|id| id.as_str().to_owned()),
            place,
            traceparent: headers.and_then(trace_of),
            body: message.payload.clone(),
        }
    }
}

/// The originals of deliveries that are not answered, by the event that they were read as. Bounded
/// by what the server lets be unanswered.
#[derive(Default)]
pub(super) struct Originals(Mutex<HashMap<EventId, Held>>);

struct Held {
    original: Arc<Original>,
    deliveries: usize,
}

impl Originals {
    /// Keeps an original for as long as what is returned lives.
    pub(super) fn hold(self: &Arc<Self>, event: EventId, original: Original) -> InHand {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let original = Arc::new(original);
        // The same event can be delivered twice; the later one is the one in somebody's hand.
        held.entry(event)
            .and_modify(|held| {
                held.original = Arc::clone(&original);
                held.deliveries += 1;
            })
            .or_insert(Held { original: Arc::clone(&original), deliveries: 1 });
        InHand { event, all: Arc::clone(self) }
    }

    pub(super) fn find(&self, event: EventId) -> Option<Arc<Original>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&event).map(|held| Arc::clone(&held.original))
    }
}

/// A delivery whose original is kept.
pub(super) struct InHand {
    event: EventId,
    all: Arc<Originals>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut held = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = held.get_mut(&self.event) {
            entry.deliveries -= 1;
            if entry.deliveries == 0 {
                held.remove(&self.event);
            }
        }
    }
}
