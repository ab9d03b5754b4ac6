//! The way of spans to the collector: a bounded queue, a thread that takes batches from it, and a
//! client that posts them. Whoever ends a span never waits; beyond the bound it is dropped and
//! counted.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter as Export,
        SpanProcessor,
    },
};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use url::Url;

use super::TelemetryError;
use crate::config::Secret;

/// Spans that wait; a span is about 1 KiB.
const QUEUE: usize = 4_096;
/// Spans that are sent together.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(2);
/// For one attempt to send a batch, and the time in which a failed one is tried again.
const SEND: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) exported: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) waiting: AtomicU64,
    /// Whether the last batch did not arrive: that is told once.
    failing: AtomicBool,
}

/// What takes spans at their end. Sending is done by the runtime that this is called in.
pub(super) fn processor(
    endpoint: &Url,
    headers: &[(String, Secret)],
    counters: Arc<Counters>,
) -> Result<impl SpanProcessor + use<>, TelemetryError> {
    let failed = |error: &dyn fmt::Display| TelemetryError::Traces(error.to_string());
    let client = reqwest::Client::builder()
        .user_agent(concat!("watchme/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(SEND)
        // The headers may hold a key for the collector alone.
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| failed(&error))?;
    let headers: HashMap<String, String> =
        headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client { client, runtime: Handle::current() })
        .with_endpoint(endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SEND)
        .with_headers(headers)
        .build()
        .map_err(|error| failed(&error))?;
    Ok(Bounded::before(exporter, counters))
}

/// Drops what would find no room behind it, and counts that: the processor itself tells nobody.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    counters: Arc<Counters>,
}

impl Bounded {
    fn before(exporter: impl Export + 'static, counters: Arc<Counters>) -> Self {
        let exporter = Counting { inner: exporter, counters: Arc::clone(&counters) };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let inner = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        Self { inner, counters }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.counters.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE as u64 {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what became of batches, and tells when the collector goes away and comes back.
#[derive(Debug)]
struct Counting<E> {
    inner: E,
    counters: Arc<Counters>,
}

impl<E: Export> Export for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.inner.export(batch).await;
        let counters = &self.counters;
        counters.waiting.fetch_sub(spans, Ordering::Relaxed);
        match &outcome {
            Ok(()) => {
                counters.exported.fetch_add(spans, Ordering::Relaxed);
                if counters.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                counters.failed.fetch_add(spans, Ordering::Relaxed);
                if !counters.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the collector does not take spans");
                }
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The thread that exports has no runtime: the client works on the service's own.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::{Mutex, mpsc};

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// Holds every batch until it may go.
    #[derive(Debug)]
    struct Held(Mutex<mpsc::Receiver<()>>);

    impl Export for Held {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            // Whoever may send is gone: everything may go.
            let _ = self.0.lock().unwrap().recv();
            Ok(())
        }
    }

    #[test]
    fn a_collector_that_hangs_costs_the_spans_beyond_the_bound_and_no_wait() {
        let (go, held) = mpsc::channel();
        let counters = Arc::<Counters>::default();
        let processor = Bounded::before(Held(Mutex::new(held)), Arc::clone(&counters));
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("test");
        // Were one of them to wait, this would never come to its end.
        for _ in 0..QUEUE + 10 {
            drop(tracer.start("work"));
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((read(&counters.waiting), read(&counters.dropped)), (QUEUE as u64, 10));
        drop(go);
        provider.shutdown_with_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!((read(&counters.waiting), read(&counters.exported)), (0, QUEUE as u64));
    }
}
