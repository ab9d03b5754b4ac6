//! A request's trace goes on with the events that it commits.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use reqwest::Method;
use serde_json::json;
use sqlx::SqlitePool;
use support::TestApp;

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
