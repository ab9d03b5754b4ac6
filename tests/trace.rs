//! A request's trace goes on with the events that it commits, in the lines that it logs, and, where
//! there is a collector, in spans that a stop waits for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{fs, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use support::{
    Client, TestApp,
    otlp::Collector,
    process::{Process, free_address, ready},
};
use tempfile::TempDir;

const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Kind and trace of every event in the outbox, in order.
async fn events(app: &TestApp) -> Vec<(String, String)> {
    let file = app.folder().join("watchme.db");
    let pool = SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let rows = sqlx::query_as("SELECT kind, traceparent FROM outbox ORDER BY id");
    let rows = rows.fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows
}

fn assert_goes_on(trace: &str) {
    assert_eq!((&trace[..36], &trace[52..]), (&SENT[..36], &SENT[52..]));
    assert_ne!(trace, SENT, "this is another piece of work");
}

#[tokio::test]
async fn events_carry_the_trace_of_the_request_that_caused_them() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[18]).await;
    let sent = [("traceparent", SENT)];
    user.put_with("/watched/550", &sent, &json!({})).await.expect(201);
    // Without one, and with one that is none, a trace begins.
    user.put("/watched/14", &json!({})).await.expect(201);
    let wrong = [("traceparent", "00-0-0-00")];
    user.put_with("/watched/13", &wrong, &json!({})).await.expect(201);
    let traces: Vec<String> = events(&app).await.into_iter().map(|(_, trace)| trace).collect();
    assert_eq!(traces.len(), 3);
    assert_goes_on(&traces[0]);
    assert!(traces[1..].iter().all(|trace| trace.len() == 55 && trace[..36] != SENT[..36]));
    assert_ne!(traces[1][..36], traces[2][..36]);

    // What is carried through whether or not the client waits belongs to the trace too.
    let account = format!("/users/{}", user.id);
    user.send(Method::DELETE, &account, &sent, None).await.unwrap().expect(204);
    let last = events(&app).await.pop().unwrap();
    assert_eq!(last.0, "erased");
    assert_goes_on(&last.1);
}

/// The thread that exports, by what the system keeps of its name.
const EXPORTER: &str = "OpenTelemetry.T";

#[tokio::test]
async fn a_stop_sends_the_last_spans_and_lines_name_theirs() {
    let (collector, folder) = (Collector::start().await, TempDir::new().unwrap());
    let (address, log) = (free_address(), folder.path().join("log"));
    let endpoint = collector.endpoint();
    let settings = [
        ("RUST_LOG", "info"),
        ("WATCHME_LOG_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
    ];
    let process = Process::start_logging(&folder.path().join("data"), &address, &settings, &log);
    ready(&address, Duration::from_secs(30)).await;
    assert!(process.threads().contains(&EXPORTER.to_owned()));
    let client = Client::new(format!("http://{address}"));
    client.get_with("/genres", &[("traceparent", SENT)]).await;
    // Sooner than a batch would be sent.
    let (took, clean) = process.terminate();
    assert!(clean && took < Duration::from_secs(15), "{took:?}");
    let spans = collector.spans();
    let span = spans.iter().find(|span| span.trace == SENT[3..35]).expect("it was sent");
    assert_eq!((span.name.as_str(), span.parent.as_str()), ("GET /api/v1/genres", &SENT[36..52]));

    let log = fs::read_to_string(&log).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answered: Vec<Value> = lines.filter(|line| line["route"] == "/api/v1/genres").collect();
    assert_eq!(answered.len(), 1, "{log}");
    assert_eq!(answered[0]["trace_id"], span.trace.as_str());
    assert_eq!(answered[0]["span_id"], span.id.as_str());
    assert!(answered[0]["span"]["request_id"].is_string());
}

#[tokio::test]
async fn a_collector_that_says_nothing_does_not_hold_up_a_stop() {
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (address, folder) = (free_address(), TempDir::new().unwrap());
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let process = Process::start(folder.path(), &address, &settings);
    ready(&address, Duration::from_secs(30)).await;
    Client::new(format!("http://{address}")).get("/genres").await;
    let (took, clean) = process.terminate();
    assert!(clean && took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn without_a_collector_nothing_is_there_to_export() {
    let (address, folder) = (free_address(), TempDir::new().unwrap());
    let process = Process::start(folder.path(), &address, &[]);
    ready(&address, Duration::from_secs(30)).await;
    let client = Client::new(format!("http://{address}"));
    client.get_with("/genres", &[("traceparent", SENT)]).await;
    assert!(!process.threads().contains(&EXPORTER.to_owned()));
    assert!(!client.get("//metrics").await.text().contains("watchme_trace"));
    assert!(process.terminate().1);
}
