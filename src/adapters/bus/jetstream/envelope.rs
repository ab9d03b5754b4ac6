//! Watch events as CloudEvents 1.0 in JSON, and back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use watchme_actors::{
    domain::{EventId, Timestamp, TraceParent, UserId, partition_of},
    ports::BusMessage,
};

use super::names::{SOURCE, WATCH_TYPE, WatchSubject};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// Between an event's identifier and how often it was published before, on request.
const AGAIN: &str = "-again-";
/// Between an event's identifier and the number of the dead letter that was replayed.
pub(super) const REPLAY: &str = "-replay-";

#[derive(Serialize)]
pub(super) struct Outgoing<'a, T: Serialize> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    dataschema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitionkey: Option<String>,
    data: T,
}

impl<'a, T: Serialize> Outgoing<'a, T> {
    /// An event without a trace.
    pub(super) fn new(
        kind: &'a str,
        id: String,
        subject: String,
        time: Timestamp,
        data: T,
    ) -> Self {
        Self {
            specversion: "1.0",
            id,
            source: SOURCE,
            kind,
            subject,
            time,
            datacontenttype: "application/json",
            dataschema: format!("urn:{}", kind.replace('.', ":")),
            traceparent: None,
            partitionkey: None,
            data,
        }
    }

    /// The body. Empty only if the data cannot be written as JSON, which is not to be.
    pub(super) fn body(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// The body of a message. A payload that is no JSON goes out as it is: whoever receives it puts it
/// aside, where the outbox would offer it for ever.
pub(super) fn written(message: &BusMessage) -> Bytes {
    let Ok(data) = serde_json::from_str::<&RawValue>(&message.payload) else {
        return message.payload.clone().into();
    };
    let kind = format!("{WATCH_TYPE}.{}", message.kind);
    let user = message.user_id.to_string();
    let mut event =
        Outgoing::new(&kind, message.event_id.to_string(), user.clone(), message.at, data);
    event.traceparent = message.traceparent.map(|parent| parent.to_string());
    event.partitionkey = Some(user);
    event.body()
}

#[derive(Deserialize)]
struct Incoming<'a> {
    specversion: String,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: Timestamp,
    traceparent: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The message of a body. What cannot be read is one too, and says why.
pub(super) fn read(
    body: &[u8],
    subject: &WatchSubject<'_>,
    user: UserId,
    message_id: Option<&str>,
) -> BusMessage {
    parsed(body, subject, user).unwrap_or_else(|reason| BusMessage {
        event_id: message_id.and_then(event_of).unwrap_or_else(EventId::generate),
        user_id: user,
        kind: subject.kind.to_owned(),
        payload: String::from_utf8_lossy(body).into_owned(),
        at: Timestamp::now(),
        repetition: 0,
        traceparent: None,
        unreadable: Some(reason),
    })
}

fn parsed(body: &[u8], subject: &WatchSubject<'_>, user: UserId) -> Result<BusMessage, String> {
    let event: Incoming<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if event.specversion != "1.0" {
        return Err(format!("it is CloudEvents {}, not 1.0", event.specversion));
    }
    let kind = event.kind.strip_prefix(WATCH_TYPE).and_then(|rest| rest.strip_prefix('.'));
    let Some(kind) = kind else {
        return Err(format!("its type {} is not one of {WATCH_TYPE}", event.kind));
    };
    if kind != subject.kind {
        return Err(format!("its type {} is not that of its subject", event.kind));
    }
    if event.subject.parse::<UserId>() != Ok(user) {
        return Err("it is of another user than its subject".to_owned());
    }
    if subject.partition != Some(partition_of(user)) {
        return Err("it is not in the partition of its user".to_owned());
    }
    let event_id = event.id.parse().map_err(|_| "its id is not a UUID".to_owned())?;
    let data = event.data.ok_or_else(|| "it has no data".to_owned())?;
    Ok(BusMessage {
        event_id,
        user_id: user,
        kind: kind.to_owned(),
        payload: data.get().to_owned(),
        at: event.time,
        repetition: 0,
        // A trace that cannot be read is no reason to lose the event.
        traceparent: event.traceparent.and_then(|text| text.parse::<TraceParent>().ok()),
        unreadable: None,
    })
}

/// What the stream knows a message by. Published again on request, an event is another message, or
/// the stream would drop it as one that it has had lately.
pub(super) fn message_id(message: &BusMessage) -> String {
    let id = message.event_id;
    match message.repetition {
        0 => id.to_string(),
        times => format!("{id}{AGAIN}{times}"),
    }
}

/// The event that a message was published for, for the first time or not.
fn event_of(message_id: &str) -> Option<EventId> {
    first_id(message_id).parse().ok()
}

/// The identifier without what publishing it again has added.
pub(super) fn first_id(message_id: &str) -> &str {
    [AGAIN, REPLAY]
        .into_iter()
        .fold(message_id, |id, mark| id.split_once(mark).map_or(id, |(first, _)| first))
}
