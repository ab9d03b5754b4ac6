//! A bus whose messages leave spans: one for each time that an event is published, and one for each
//! time that somebody deals with it, as its child. Put round the real one where traces are exported.

use std::sync::Arc;

use async_trait::async_trait;
use watchme_actors::{
    domain::{EventId, TraceParent, UserId, partition_of},
    ports::{Acknowledge, BusError, BusMessage, Consumer, Delivery, EventBus},
};

use crate::telemetry::{Kind, Span, Traces};

/// What a bus is called in spans. Users are part of subjects: a template stands for them.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The kind of bus.
    pub system: &'static str,
    /// Where events go, such as a stream.
    pub name: String,
    /// Subjects, with a name in braces for each part that varies.
    pub template: Option<String>,
    /// The server and its port.
    pub server: Option<(String, u16)>,
}

impl Destination {
    /// The bus of a single process.
    #[must_use]
    pub fn in_process() -> Self {
        let system = "in_process";
        Self { system, name: "watch".to_owned(), template: None, server: None }
    }
}

/// Makes spans of what goes through another bus.
pub struct TracedBus {
    inner: Arc<dyn EventBus>,
    spans: Spans,
}

#[derive(Clone)]
struct Spans {
    traces: Traces,
    destination: Arc<Destination>,
}

impl TracedBus {
    /// Round a bus that is called so.
    #[must_use]
    pub fn new(inner: Arc<dyn EventBus>, destination: Destination, traces: Traces) -> Self {
        Self { inner, spans: Spans { traces, destination: Arc::new(destination) } }
    }
}

/// What a span tells of a message.
#[derive(Clone, Copy)]
struct About {
    event: EventId,
    partition: u8,
    cause: Option<TraceParent>,
}

impl From<&BusMessage> for About {
    fn from(message: &BusMessage) -> Self {
        Self {
            event: message.event_id,
            partition: partition_of(message.user_id),
            cause: message.traceparent,
        }
    }
}

impl Spans {
    fn publish(&self, about: About) -> Span {
        let mut span = self.traces.begin(Kind::Producer, "publish", about.cause);
        self.tell(&mut span, "publish", "send", about);
        span
    }

    fn process(&self, about: About) -> Span {
        let mut span = self.traces.begin(Kind::Consumer, "process", about.cause);
        self.tell(&mut span, "process", "process", about);
        span
    }

    fn tell(&self, span: &mut Span, name: &'static str, operation: &'static str, about: About) {
        if !span.is_recorded() {
            return;
        }
        let to = &*self.destination;
        span.rename(format!("{name} {}", to.template.as_ref().unwrap_or(&to.name)));
        span.note("messaging.system", to.system);
        span.note("messaging.operation.name", name);
        span.note("messaging.operation.type", operation);
        span.note("messaging.destination.name", to.name.clone());
        if let Some(template) = &to.template {
            span.note("messaging.destination.template", template.clone());
        }
        span.note("messaging.destination.partition.id", about.partition.to_string());
        span.note("messaging.message.id", about.event.to_string());
        if let Some((host, port)) = &to.server {
            span.note("server.address", host.clone());
            span.note("server.port", i64::from(*port));
        }
    }
}

#[async_trait]
impl EventBus for TracedBus {
    async fn publish(&self, mut messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        let begun = messages.iter_mut().map(|message| {
            let span = self.spans.publish(About::from(&*message));
            // Whoever receives it goes on from here.
            message.traceparent = span.place().or(message.traceparent);
            span
        });
        let spans: Vec<Span> = begun.collect();
        let outcomes = self.inner.publish(messages).await;
        for (mut span, outcome) in spans.into_iter().zip(&outcomes) {
            if let Err(error) = outcome {
                span.failed(kind_of(error));
            }
        }
        outcomes
    }

    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError> {
        let inner = self.inner.consume(partition).await?;
        Ok(Box::new(TracedConsumer { inner, spans: self.spans.clone() }))
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError> {
        self.inner.bury(message, reason).await
    }

    async fn erase(&self, user: UserId) -> Result<(), BusError> {
        self.inner.erase(user).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn kind_of(error: &BusError) -> &'static str {
    match error {
        BusError::Unavailable(_) => "unavailable",
        BusError::NotAcknowledged => "not_acknowledged",
        BusError::Closed => "closed",
    }
}

struct TracedConsumer {
    inner: Box<dyn Consumer>,
    spans: Spans,
}

#[async_trait]
impl Consumer for TracedConsumer {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let deliveries = self.inner.next(max).await?;
        let traced = deliveries.into_iter().map(|Delivery { message, answer }| Delivery {
            answer: Box::new(TracedAnswer {
                inner: answer,
                about: About::from(&message),
                spans: self.spans.clone(),
                span: None,
            }),
            message,
        });
        Ok(traced.collect())
    }
}

struct TracedAnswer {
    inner: Box<dyn Acknowledge>,
    about: About,
    spans: Spans,
    span: Option<Processing>,
}

/// Dropped without an answer, it has failed.
struct Processing(Span);

impl Drop for Processing {
    fn drop(&mut self) {
        self.0.failed(kind_of(&BusError::NotAcknowledged));
    }
}

#[async_trait]
impl Acknowledge for TracedAnswer {
    fn begun(&mut self) -> Option<TraceParent> {
        let span = self.spans.process(self.about);
        let place = span.place();
        self.span = Some(Processing(span));
        place
    }

    async fn acknowledge(self: Box<Self>) -> Result<(), BusError> {
        let Self { inner, span, .. } = *self;
        inner.acknowledge().await?;
        if let Some(mut processing) = span {
            drop(std::mem::take(&mut processing.0));
        }
        Ok(())
    }
}
