//! A collector of traces: it takes spans by OTLP over HTTP, and shows them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Bytes, Data},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: String,
    pub kind: SpanKind,
    /// Ids in hexadecimal; `parent` is empty for one that begins a trace.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub failed: bool,
    /// Since the epoch.
    pub began: Duration,
    pub ended: Duration,
    pub attributes: BTreeMap<String, String>,
    /// What is said of the service that made it.
    pub resource: BTreeMap<String, String>,
}

impl Seen {
    fn new(span: Span, resource: &BTreeMap<String, String>) -> Self {
        Self {
            kind: span.kind(),
            failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            began: Duration::from_nanos(span.start_time_unix_nano),
            ended: Duration::from_nanos(span.end_time_unix_nano),
            attributes: shown(span.attributes),
            resource: resource.clone(),
        }
    }

    /// An attribute, as text.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shown(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let shown = |it: KeyValue| (it.key, it.value.and_then(|it| it.value).map(text));
    attributes.into_iter().map(shown).map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

#[derive(Default)]
struct State {
    spans: Mutex<Vec<Seen>>,
    headers: Mutex<Vec<String>>,
    away: AtomicBool,
}

/// A running collector. Dropping it stops it.
pub struct Collector {
    address: std::net::SocketAddr,
    state: Data<State>,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// On a port of its own.
    pub async fn start() -> Self {
        let state = Data::new(State::default());
        let shared = state.clone();
        let (started, starting) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(web::PayloadConfig::new(1 << 24))
                        .route("/v1/traces", web::post().to(take))
                })
                .workers(1)
                .disable_signals()
                .bind("127.0.0.1:0")
                .unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                let _ = started.send((address, server.handle()));
                server.await.unwrap();
            });
        });
        let (address, server) = starting.await.unwrap();
        Self { address, state, server, thread: Some(thread) }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it refuses, or takes again, what it is sent.
    pub fn be_away(&self, away: bool) {
        self.state.away.store(away, Ordering::Relaxed);
    }

    /// Everything that has arrived.
    pub fn spans(&self) -> Vec<Seen> {
        self.state.spans.lock().unwrap().clone()
    }

    /// Values of the header `authorization`, one for each request.
    pub fn authorizations(&self) -> Vec<String> {
        self.state.headers.lock().unwrap().clone()
    }

    /// The spans of a trace, once there are so many.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn trace(&self, id: &str, spans: usize) -> Vec<Seen> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let all = self.spans();
            let found: Vec<Seen> = all.iter().filter(|span| span.trace == id).cloned().collect();
            if found.len() >= spans {
                return found;
            }
            assert!(Instant::now() < deadline, "{spans} spans of {id} in vain: {all:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn take(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let header = |name| request.headers().get(name).map_or("", |it| it.to_str().unwrap());
    assert_eq!(header("content-type"), "application/x-protobuf");
    if state.away.load(Ordering::Relaxed) {
        return HttpResponse::Forbidden().finish();
    }
    state.headers.lock().unwrap().push(header("authorization").to_owned());
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let mut spans = state.spans.lock().unwrap();
    for of_one in sent.resource_spans {
        let resource = shown(of_one.resource.map(|it| it.attributes).unwrap_or_default());
        let sent = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(sent.map(|span| Seen::new(span, &resource)));
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}
