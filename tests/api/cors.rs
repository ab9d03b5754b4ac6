//! Pages of other origins: only those that the operator names, and for them everything that a
//! browser needs.

use reqwest::Method;

use crate::support::{Answer, Client, TestApp};

const OURS: &str = "https://app.example.com";
const FOREIGN: &str = "https://evil.example";

async fn app() -> TestApp {
    let origins = format!("{OURS}, http://localhost:5173");
    TestApp::start_with(&[("WATCHME_CORS_ORIGINS", &origins)]).await
}

async fn preflight(client: &Client, origin: &str, path: &str, method: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,content-type,if-match,idempotency-key"),
    ];
    client.send(Method::OPTIONS, path, &headers, None).await.unwrap()
}

fn lists(answer: &Answer, header: &str, wanted: &str) -> bool {
    answer.header(header).split(',').any(|it| it.trim().eq_ignore_ascii_case(wanted))
}

#[tokio::test]
async fn without_the_setting_nobody_is_let_in() {
    let app = TestApp::start().await;
    let refused = preflight(&app.client, OURS, "/packages", "POST").await;
    refused.problem(405, "method_not_allowed");
    let answer = app.client.get_with("/genres", &[("origin", OURS)]).await;
    for answer in [refused, answer] {
        let allows = |name: &str| name.starts_with("access-control");
        assert!(!answer.headers.keys().any(|name| allows(name.as_str())), "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_preflight_of_a_known_origin_passes_without_a_token() {
    let app = app().await;
    for origin in [OURS, "http://localhost:5173"] {
        let answer = preflight(&app.client, origin, "/packages/1", "PUT").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-max-age"), "3600");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(lists(&answer, "access-control-allow-methods", method), "{method}");
        }
        for header in [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-request-id",
            "traceparent",
        ] {
            assert!(lists(&answer, "access-control-allow-headers", header), "{header}");
        }
        assert!(lists(&answer, "vary", "origin"), "{:?}", answer.headers);
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn errors_can_be_read_like_answers() {
    let app = app().await;
    let user = app.user().await;
    let origin = ("origin", OURS);
    let missing = "/packages/01900000-0000-7000-8000-000000000000";
    for (client, path, status) in [
        (&user, "/genres", 200),
        (&user, missing, 404),
        (&user, "/packages?nonsense=1", 400),
        (&user, "/users", 403),
        (&app.client, "/genres", 401),
        (&app.client, "/nothing", 404),
        (&app.client, "/auth/login", 405),
    ] {
        let answer = client.get_with(path, &[origin]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), OURS, "{path}");
        assert!(lists(&answer, "vary", "origin"), "{path}: {:?}", answer.headers);
        for exposed in [
            "etag",
            "location",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "x-request-id",
            "idempotency-replayed",
            "cache-status",
        ] {
            assert!(lists(&answer, "access-control-expose-headers", exposed), "{path}: {exposed}");
        }
        let length = answer.header("content-length");
        assert!(length.is_empty() || length == answer.bytes.len().to_string(), "{path}: {length}");
    }
}

#[tokio::test]
async fn a_foreign_origin_is_told_nothing() {
    let app = app().await;
    let user = app.user().await;
    for origin in [
        FOREIGN,
        "null",
        "https://app.example.com.evil.example",
        "no origin",
        "http://app.example.com",
    ] {
        let refused = preflight(&app.client, origin, "/packages", "POST").await;
        assert!((400..500).contains(&refused.status), "{origin}: {}", refused.status);
        assert_eq!(refused.header("content-type"), "application/problem+json", "{origin}");
        let answer = user.get_with("/genres", &[("origin", origin)]).await;
        assert!(answer.status < 500, "{origin}: {}", answer.status);
        for answer in [refused, answer] {
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    let odd = preflight(&app.client, OURS, "/packages", "TRACE").await;
    assert_eq!(odd.status, 400, "a method that nothing here has");
}
