//! Which spans are made, and their export by OTLP. Without a collector there is nothing of this.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    trace::{
        SpanBuilder, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use uuid::Uuid;
use watchme_actors::domain::TraceParent;

use super::{
    Kind, Span, TelemetryError,
    export::{self, Counters},
};
use crate::config::TraceConfig;

/// What an orderly stop gives the last spans to arrive.
const FLUSH: Duration = Duration::from_secs(2);

/// What has become of spans since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceStatus {
    /// Those that the collector has taken.
    pub exported: u64,
    /// Those that it did not take.
    pub failed: u64,
    /// Those for which there was no room.
    pub dropped: u64,
    /// Those that are on their way.
    pub waiting: u64,
}

/// Makes spans and exports them in the background. Clones share everything.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    counters: Arc<Counters>,
}

impl Traces {
    /// Starts the export; `None` without a collector. To be called within a tokio runtime, which
    /// does the sending.
    ///
    /// # Errors
    /// When the settings cannot work; never because the collector is away.
    pub fn start(config: &TraceConfig) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let counters = Arc::new(Counters::default());
        let processor = export::processor(endpoint, &config.headers, Arc::clone(&counters))?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample))))
            .with_resource(resource(config))
            .with_span_processor(processor)
            .build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let tracer = provider.tracer_with_scope(scope);
        Ok(Some(Self { provider, tracer, counters }))
    }

    /// Begins a span: as part of a trace, or of a new one.
    #[must_use]
    pub fn begin(
        &self,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        parent: Option<TraceParent>,
    ) -> Span {
        let context = parent.map_or_else(Context::new, within);
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        Span::begun(self.tracer.build_with_context(builder, &context))
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> TraceStatus {
        let counters = &self.counters;
        TraceStatus {
            exported: counters.exported.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            dropped: counters.dropped.load(Ordering::Relaxed),
            waiting: counters.waiting.load(Ordering::Relaxed),
        }
    }

    /// Sends what waits, for 2 s at most. Spans that end later are nobody's.
    pub async fn close(self) {
        // It blocks until the thread that exports is done.
        let closing = move || self.provider.shutdown_with_timeout(FLUSH);
        if !matches!(tokio::task::spawn_blocking(closing).await, Ok(Ok(()))) {
            tracing::warn!("the last spans may not have arrived");
        }
    }
}

/// A context whose span is somebody else's.
fn within(parent: TraceParent) -> Context {
    let flags = if parent.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(parent.trace_id()),
        SpanId::from(parent.span_id()),
        flags,
        true,
        TraceState::NONE,
    ))
}

/// Who exports. What the operator names wins, except the library's own name.
fn resource(config: &TraceConfig) -> Resource {
    let ours = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
    ];
    let named =
        config.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes(ours)
        .with_attributes(named)
        .with_service_name(config.service_name.clone())
        .with_detector(Box::new(TelemetryResourceDetector))
        .build()
}
