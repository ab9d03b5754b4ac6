//! One trace, from a request through the outbox and the bus to the projection, as a collector
//! receives it: in process, and over NATS where the suite runs over engines.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    TestApp, backend,
    otlp::{Collector, Seen},
    tmdb_double::{Behaviour, TmdbDouble, V3_KEY},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "b7ad6b7169203331";

fn sent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

async fn start(collector: &Collector, settings: &[(&str, &str)]) -> TestApp {
    let endpoint = collector.endpoint();
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    TestApp::start_with(&[&traced, settings].concat()).await
}

fn one(spans: &[Seen], kind: SpanKind) -> &Seen {
    let mut found = spans.iter().filter(|span| span.kind == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind:?} in {spans:#?}"));
    assert!(found.next().is_none(), "more than one {kind:?} in {spans:#?}");
    first
}

#[track_caller]
fn assert_told(span: &Seen, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.get(name), *value, "{name} of {span:#?}");
    }
}

#[tokio::test]
async fn a_mark_is_one_trace_from_the_request_to_the_projection() {
    let collector = Collector::start().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20for-the-collector"),
        ("OTEL_SERVICE_NAME", "films"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let app = start(&collector, &settings).await;
    let user = app.subscriber(&[18]).await;
    let caller = sent("01");
    user.put_with("/watched/550", &[("traceparent", &caller)], &json!({})).await.expect(201);
    let spans = collector.trace(TRACE, 3).await;
    assert_eq!(spans.len(), 3, "{spans:#?}");

    let request = one(&spans, SpanKind::Server);
    assert_eq!(
        (request.name.as_str(), request.parent.as_str()),
        ("PUT /api/v1/watched/{movieId}", CALLER)
    );
    let (host, port) = app.client.base.trim_start_matches("http://").split_once(':').unwrap();
    assert_told(
        request,
        &[
            ("http.request.method", "PUT"),
            ("http.route", "/api/v1/watched/{movieId}"),
            ("http.response.status_code", "201"),
            ("url.scheme", "http"),
            ("url.path", "/api/v1/watched/550"),
            ("network.protocol.version", "1.1"),
            ("server.address", host),
            ("server.port", port),
            ("error.type", ""),
        ],
    );

    let (system, destination) = match app.backend() {
        Some(_) => ("nats", "{partition}.{kind}.{userId}"),
        None => ("in_process", "watch"),
    };
    let publish = one(&spans, SpanKind::Producer);
    assert_eq!(publish.parent, request.id);
    assert_told(
        publish,
        &[
            ("messaging.system", system),
            ("messaging.operation.name", "publish"),
            ("messaging.operation.type", "send"),
        ],
    );
    let process = one(&spans, SpanKind::Consumer);
    assert_eq!(process.parent, publish.id);
    assert_told(
        process,
        &[
            ("messaging.system", system),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.message.id", publish.get("messaging.message.id")),
            ("messaging.destination.name", publish.get("messaging.destination.name")),
            (
                "messaging.destination.partition.id",
                publish.get("messaging.destination.partition.id"),
            ),
        ],
    );
    for (span, word) in [(publish, "publish "), (process, "process ")] {
        assert!(span.name.starts_with(word) && span.name.ends_with(destination), "{span:#?}");
        assert!(!span.get("messaging.destination.partition.id").is_empty());
    }
    assert!(request.began <= publish.began && publish.began <= process.began);

    for span in &spans {
        assert!(!span.failed && span.began <= span.ended, "{span:#?}");
        assert!(!format!("{span:?}").contains(&user.id), "{span:#?}");
        let about = |name: &str| span.resource.get(name).map_or("", String::as_str);
        assert_eq!(about("service.name"), "films");
        assert_eq!(about("service.version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(about("service.instance.id").len(), 36);
        assert_eq!(about("deployment.environment.name"), "test");
        assert_eq!(about("telemetry.sdk.language"), "rust");
    }
    assert!(collector.authorizations().iter().all(|it| it == "Bearer for-the-collector"));

    let metrics = app.client.get("//metrics").await.text();
    assert!(metrics.contains("watchme_trace_spans_total{outcome=\"exported\"} "), "{metrics}");
    assert!(metrics.contains("watchme_trace_spans_total{outcome=\"dropped\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn what_the_caller_does_not_sample_is_not_exported_and_goes_on_all_the_same() {
    let collector = Collector::start().await;
    let mut app = start(&collector, &[("WATCHME_TRACE_SAMPLE", "0")]).await;
    let user = app.subscriber(&[18]).await;
    let (unsampled, sampled) = (sent("00"), sent("01"));
    user.put_with("/watched/550", &[("traceparent", &unsampled)], &json!({})).await.expect(201);
    user.put("/watched/14", &json!({})).await.expect(201);
    // Whoever samples decides, whatever the share of those that begin here.
    user.get_with("/watched", &[("traceparent", &sampled)]).await.expect(200);
    app.stop();
    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "{spans:#?}");
    assert_eq!(spans[0].name, "GET /api/v1/watched");
}

#[tokio::test]
async fn failures_are_told_and_what_machines_ask_is_not() {
    let collector = Collector::start().await;
    let mut app = start(&collector, &[]).await;
    for path in ["//livez", "//readyz", "//health", "//metrics"] {
        app.client.get(path).await;
    }
    app.client.get("/users/ada@example.com?secret=1").await.expect(401);
    app.client.get("/nowhere/ada@example.com").await.expect(404);
    app.client.send(Method::from_bytes(b"ADA").unwrap(), "/genres", &[], None).await.unwrap();
    app.stop();
    let spans = collector.spans();
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["GET", "GET /api/v1/users/{id}", "HTTP"]);
    for span in &spans {
        assert!(!span.failed, "the client's fault: {span:#?}");
        assert!(!format!("{span:?}").contains("ada"), "{span:#?}");
        assert!(!format!("{span:?}").contains("secret"), "{span:#?}");
    }
}

#[tokio::test]
async fn questions_to_tmdb_belong_to_whoever_asked() {
    if !backend::is_embedded() {
        return;
    }
    let collector = Collector::start().await;
    let double = TmdbDouble::start().await;
    let (url, endpoint) = (double.url().to_string(), collector.endpoint());
    let app = TestApp::start_empty(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", url.trim_end_matches('/')),
        ("WATCHME_CATALOGUE_PAGES", "1"),
    ])
    .await;
    app.catalogue_ready().await;
    let user = app.subscriber(&[18]).await;
    let caller = sent("01");
    user.get_with("/movies/search?query=canary", &[("traceparent", &caller)]).await;
    let spans = collector.trace(TRACE, 2).await;
    let (request, question) = (one(&spans, SpanKind::Server), one(&spans, SpanKind::Client));
    assert_eq!(question.parent, request.id);
    assert_eq!(question.name, "GET /3/search/movie");
    assert_told(
        question,
        &[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("url.template", "/3/search/movie"),
            ("url.full", &format!("{}/search/movie", url.trim_end_matches('/'))),
            ("server.address", "127.0.0.1"),
        ],
    );

    // What fails on the way is told of every attempt, and of the request.
    double.set(Behaviour::Status(500));
    let caller = caller.replace(TRACE, OTHER_TRACE);
    let failed = user.get_with("/movies/424242", &[("traceparent", &caller)]).await;
    failed.problem(503, "metadata_unavailable");
    let spans = collector.trace(OTHER_TRACE, 4).await;
    let request = one(&spans, SpanKind::Server);
    assert_eq!((request.failed, request.get("error.type")), (true, "metadata_unavailable"));
    let asked: Vec<_> = spans.iter().filter(|span| span.kind == SpanKind::Client).collect();
    assert_eq!(asked.len(), 3);
    for question in asked {
        assert_eq!((question.failed, question.name.as_str()), (true, "GET /3/movie/{id}"));
        assert_told(
            question,
            &[("http.response.status_code", "500"), ("error.type", "unavailable")],
        );
    }
    for span in collector.spans() {
        let shown = format!("{span:?}");
        assert!(!shown.contains("canary") && !shown.contains(V3_KEY), "{shown}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let collector = Collector::start().await;
    collector.be_away(true);
    let mut app = start(&collector, &[]).await;
    let user = app.subscriber(&[18]).await;
    user.put("/watched/550", &json!({})).await.expect(201);
    let failed = "watchme_trace_spans_total{outcome=\"failed\"} ";
    let lost = async {
        loop {
            let metrics = app.client.get("//metrics").await.text();
            let line = metrics.lines().find_map(|line| line.strip_prefix(failed)).unwrap();
            if line != "0" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), lost).await.expect("they are counted");
    collector.be_away(false);
    let caller = sent("01");
    user.get_with("/watched", &[("traceparent", &caller)]).await.expect(200);
    assert_eq!(collector.trace(TRACE, 1).await.len(), 1);
    app.stop();
}
