//! Spans, in the words of OpenTelemetry's semantic conventions. Nothing of a person and no secret
//! belongs into one: no ids of users, no addresses, no queries, no bodies.

use std::borrow::Cow;

use opentelemetry::{
    KeyValue, Value,
    trace::{Span as _, SpanKind, Status},
};
use watchme_actors::domain::TraceParent;

/// Which side of a conversation a span is.
pub type Kind = SpanKind;

/// A piece of work under way, which ends when this is dropped. The default one is of no trace, and
/// costs nothing.
#[derive(Default)]
pub struct Span(Option<opentelemetry_sdk::trace::Span>);

impl Span {
    pub(super) fn begun(span: opentelemetry_sdk::trace::Span) -> Self {
        Self(Some(span))
    }

    /// Where it is in its trace; `None` where traces are not exported.
    #[must_use]
    pub fn place(&self) -> Option<TraceParent> {
        let context = self.0.as_ref()?.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        let sampled = context.is_sampled();
        // After the end of the export its ids are zeros.
        TraceParent::new(
            u128::from_be_bytes(trace.to_bytes()),
            u64::from_be_bytes(span.to_bytes()),
            sampled,
        )
        .ok()
    }

    /// Whether it will be exported, so that telling more of it is worth while.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.0.as_ref().is_some_and(opentelemetry::trace::Span::is_recording)
    }

    /// Calls it by another name.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            span.update_name(name.into());
        }
    }

    /// Notes something of it, under a name of the conventions.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// It failed, in one of few ways.
    pub fn failed(&mut self, error_type: impl Into<Cow<'static, str>>) {
        self.note("error.type", error_type.into());
        if let Some(span) = &mut self.0 {
            span.set_status(Status::Error { description: Cow::Borrowed("") });
        }
    }
}
