//! Publishing to a stream, which answers when it has the message.

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{context::PublishErrorKind, message::PublishMessage},
};
use bytes::Bytes;
use watchme_actors::{domain::TraceParent, ports::BusError};

use super::{
    connection::{Nats, unavailable},
    envelope::CONTENT_TYPE,
};

const TRACE_PARENT: &str = "traceparent";
const CONTENT: &str = "content-type";

/// A message for a stream. Cheap to clone but for its headers.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Letter {
    /// `id`: a second letter with it within two minutes is none.
    pub(super) fn new(subject: String, id: &str, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, one_line(id));
        headers.insert(CONTENT, CONTENT_TYPE);
        Self { subject, headers, body }
    }

    pub(super) fn traced(mut self, traceparent: Option<TraceParent>) -> Self {
        if let Some(parent) = traceparent {
            self.headers.insert(TRACE_PARENT, parent.to_string());
        }
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, one_line(value));
        self
    }
}

/// The trace that a message's headers name.
pub(super) fn trace_of(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get(TRACE_PARENT)?.as_str().parse().ok()
}

/// A header's value: it ends with its line, and is cut after 500 characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The stream did not take a letter.
pub(super) enum Refusal {
    /// There is no stream.
    Missing,
    Failed(BusError),
}

impl From<Refusal> for BusError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => unavailable("the stream is missing"),
            Refusal::Failed(error) => error,
        }
    }
}

impl Nats {
    /// Publishes and waits for the stream's answer, 5 s at most.
    pub(super) async fn publish_once(&self, letter: Letter) -> Result<(), Refusal> {
        self.connected().map_err(Refusal::Failed)?;
        let Letter { subject, headers, body } = letter;
        let message = PublishMessage::build().headers(headers).payload(body);
        let taken = match self.jetstream.send_publish(subject, message).await {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => Err(Refusal::Missing),
            Err(error) => Err(Refusal::Failed(unavailable(error))),
        }
    }

    /// Publishes; a missing stream is made first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn deliver(&self, letter: Letter) -> Result<(), BusError> {
        let seen = self.declared.epoch();
        match self.publish_once(letter.clone()).await {
            Err(Refusal::Missing) => {
                self.declared.declare(&self.jetstream, seen).await?;
                Ok(self.publish_once(letter).await?)
            }
            outcome => Ok(outcome?),
        }
    }
}
