//! What could never be applied, in a stream of its own.

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{RawMessageErrorKind, Stream},
};
use async_trait::async_trait;
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{BusError, DeadLetter, DeadLetters},
};

use super::{
    bus::NatsBus,
    connection::{Nats, unavailable},
    envelope::{REPLAY, first_id},
    names::{HEADER_MESSAGE_ID, HEADER_REASON, HEADER_SUBJECT},
    originals::Original,
    publish::{Letter, trace_of},
};

/// Puts a message aside, as it came. Doing it twice within two minutes makes one letter; a message
/// that was replayed and failed again is another.
pub(super) async fn put_aside(
    nats: &Nats,
    partition: u8,
    user: Option<UserId>,
    original: &Original,
    reason: &str,
) -> Result<(), BusError> {
    let id = format!("dead-{}", original.message_id.as_ref().unwrap_or(&original.place));
    let mut letter = Letter::new(nats.names.dead(partition, user), &id, original.body.clone())
        .traced(original.traceparent)
        .with(HEADER_REASON, reason)
        .with(HEADER_SUBJECT, &original.subject);
    if let Some(message_id) = &original.message_id {
        letter = letter.with(HEADER_MESSAGE_ID, message_id);
    }
    nats.deliver(letter).await
}

impl NatsBus {
    /// `None` when the stream is missing: then nothing is put aside.
    async fn dead_stream(&self) -> Result<Stream<()>, BusError> {
        self.open()?;
        self.nats.connected()?;
        let name = self.nats.declared.dead_stream();
        self.nats.jetstream.get_stream_no_info(name).await.map_err(unavailable)
    }
}

fn letter_of(message: &StreamMessage) -> DeadLetter {
    let header = |name: &str| {
        message.headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default()
    };
    let at = message.time.unix_timestamp_nanos() / 1_000_000;
    DeadLetter {
        id: message.sequence,
        at: Timestamp::from_millis(i64::try_from(at).unwrap_or_default()),
        reason: header(HEADER_REASON),
        subject: header(HEADER_SUBJECT),
        message_id: header(HEADER_MESSAGE_ID),
        original: String::from_utf8_lossy(&message.payload).into_owned(),
    }
}

#[async_trait]
impl DeadLetters for NatsBus {
    async fn list(&self, after: u64, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        let stream = self.dead_stream().await?;
        let mut letters = Vec::new();
        let mut next = after.saturating_add(1);
        while letters.len() < limit as usize {
            let request = stream.raw_message_builder().sequence(next).next_by_subject(">");
            match request.send().await {
                Ok(message) => {
                    next = message.sequence.saturating_add(1);
                    letters.push(letter_of(&message));
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(letters)
    }

    async fn replay(&self, id: u64) -> Result<bool, BusError> {
        let stream = self.dead_stream().await?;
        let message = match stream.get_raw_message(id).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(false),
            Err(error) => return Err(unavailable(error)),
        };
        let DeadLetter { subject, message_id, .. } = letter_of(&message);
        if self.nats.names.read_watch(&subject).is_none() {
            return Err(unavailable(format_args!("{subject} is no subject of watch events")));
        }
        // Another identifier, or the stream would take it for the one that it has seen; the same
        // one when this letter is replayed again because it could not be removed.
        let first = if message_id.is_empty() { "unnamed" } else { first_id(&message_id) };
        let replayed = Letter::new(subject, &format!("{first}{REPLAY}{id}"), message.payload)
            .traced(trace_of(&message.headers));
        self.nats.deliver(replayed).await?;
        stream.delete_message(id).await.map_err(unavailable)
    }
}
