//! Bytes that are no request, or none that ends where it says: they are refused, and the service
//! goes on.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::support::TestApp;

/// Bytes to the service as they are, and what comes back until it closes or falls silent.
fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.client.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // The service may hang up before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_breaks_its_own_frame_is_a_problem() {
    let app = TestApp::start().await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let answer = raw(&app, format!("{head}zz\r\n{{}}\r\n0\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("malformed_request"), "{answer}");
    app.client.get("/genres").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_service_goes_on() {
    let app = TestApp::start().await;
    let header = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(300_000));
    let uri = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(300_000));
    for bytes in [
        "GET /livez HTTP/1.1\r\nbroken header\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\
         Content-Length: 3\r\n\r\n{}",
        "GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\u{0}b\r\n\r\n",
        "NONSENSE\r\n\r\n",
        &header,
        &uri,
    ] {
        let shown = &bytes[..bytes.len().min(60)];
        let answer = raw(&app, bytes.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown}: {answer}");
    }
    assert!(app.client.get("//livez").await.status < 300);
}
