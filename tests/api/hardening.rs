//! What every answer says to browsers, how long a client may keep the service waiting, and how many
//! may come at once.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    health::scrape,
    support::{Answer, TestApp, app::USER_PASSWORD},
};

const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
/// Every connection that is kept waiting is closed by then.
const GIVEN_UP: Duration = Duration::from_secs(10);

fn assert_hardened(app: &TestApp, answer: &Answer, what: &str) {
    // On engines it takes itself to be in production.
    let transport = if app.backend().is_some() { "max-age=31536000" } else { "" };
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("strict-transport-security", transport),
        ("server", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name} of {what}");
        assert!(answer.headers.get_all(name).iter().count() <= 1, "{name} of {what}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_browsers_look_for() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in [
        "/users/me",
        "/genres",
        "/nothing",
        "/users",
        "//livez",
        "//readyz",
        "//health",
        "//metrics",
        "//api/openapi.json",
        "//api/docs/problems",
        "//",
        "//nothing",
    ] {
        for client in [&user, &app.client] {
            let answer = client.get(path).await;
            assert_hardened(&app, &answer, path);
            assert_eq!(answer.header("content-security-policy"), API_POLICY, "{path}");
        }
    }
    for (method, path) in [("HEAD", "/genres"), ("OPTIONS", "/genres"), ("BREW", "/genres")] {
        let answer = user.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &[], None);
        assert_hardened(&app, &answer.await.unwrap(), method);
    }
    let page = app.client.get("//api/docs/").await;
    assert_hardened(&app, &page, "Swagger UI");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let inline = page.text().split("<script").skip(1).any(|it| !it.contains(" src="));
    assert!(!inline, "a script that the policy would not let run: {}", page.text());
}

#[tokio::test]
async fn nothing_is_kept_unless_it_says_so() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({ "email": "kept@example.com", "password": USER_PASSWORD, "name": "Kept" });
    let registered = app.client.post("/auth/register", &body).await;
    let login = app.client.post("/auth/login", &json!({ "email": 1 })).await;
    for answer in [registered, login, user.get("/users/me").await, app.client.get("/genres").await]
    {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.text());
    }
    let genres = user.get("/genres").await;
    assert_eq!(genres.header("cache-control"), "private, no-cache");
    let tag = genres.header("etag");
    let same = user.get_with("/genres", &[("if-none-match", tag)]).await;
    assert_eq!((same.status, same.header("cache-control")), (304, "private, no-cache"));
    assert!(app.client.get("//api/docs/").await.header("cache-control").starts_with("public"));
}

/// A connection that its peer has begun.
async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.client.base.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends a request and reads its answer, whose connection stays.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = timeout(GIVEN_UP, stream.read(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Sends a text byte by byte, one every half second, and then nothing; what came back, and after
/// how long the connection was closed.
async fn drip(stream: TcpStream, text: &str) -> (String, Duration) {
    let began = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let sending = async {
        for byte in text.bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let closed = async {
        // A reset is an end, too.
        let _ = reading.read_to_end(&mut answer).await;
        began.elapsed()
    };
    let time = tokio::select! {
        time = timeout(GIVEN_UP, closed) => time.expect("it is given up in time"),
        () = sending => unreachable!("it sends until it is stopped"),
    };
    (String::from_utf8_lossy(&answer).into_owned(), time)
}

const SLOW_HEAD: &str = "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: aaaaaaaaaaaaaaaaaa\r\n\r\n";
const POST: &str =
    "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn who_sends_too_slowly_is_given_up_on_the_first_request_and_on_every_other() {
    let app = TestApp::start().await;
    let fresh = async {
        let (answer, _) = drip(connect(&app).await, SLOW_HEAD).await;
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"),
            "{answer}"
        );
    };
    let silent = async { drip(connect(&app).await, "").await };
    let second = async {
        let mut stream = connect(&app).await;
        assert!(exchange(&mut stream, LIVEZ).await.starts_with("HTTP/1.1 204"));
        let (answer, _) = drip(stream, SLOW_HEAD).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    };
    let body = async |mut stream: TcpStream, frame: &str, bytes: &str| {
        stream.write_all(format!("{POST}{frame}\r\n\r\n").as_bytes()).await.unwrap();
        let (answer, _) = drip(stream, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("request_timeout"), "{answer}");
    };
    let chunks = "1\r\nx\r\n".repeat(20);
    let (sized, chunked) = ("content-length: 100", "transfer-encoding: chunked");
    let first_body = async { body(connect(&app).await, sized, &chunks).await };
    let first_chunks = async { body(connect(&app).await, chunked, &chunks).await };
    let second_body = async {
        let mut stream = connect(&app).await;
        exchange(&mut stream, LIVEZ).await;
        body(stream, chunked, &chunks).await;
    };
    let unread = async {
        let mut stream = connect(&app).await;
        let head = format!("DELETE /livez HTTP/1.1\r\nhost: x\r\n{chunked}\r\n\r\n");
        assert!(exchange(&mut stream, head.as_bytes()).await.starts_with("HTTP/1.1 405"));
        drip(stream, &chunks).await
    };
    let silent_chunks = async {
        let mut stream = connect(&app).await;
        let head = format!("POST /api/v1/auth/logout HTTP/1.1\r\nhost: x\r\n{chunked}\r\n\r\n");
        assert!(exchange(&mut stream, head.as_bytes()).await.starts_with("HTTP/1.1 401"));
        let mut rest = Vec::new();
        timeout(GIVEN_UP, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(!rest.contains("HTTP/1.1"), "nobody has asked for more: {rest}");
    };
    tokio::join!(
        fresh,
        silent,
        silent_chunks,
        second,
        first_body,
        first_chunks,
        second_body,
        unread
    );
    let mut patient = connect(&app).await;
    for _ in 0..2 {
        assert!(exchange(&mut patient, LIVEZ).await.starts_with("HTTP/1.1 204"));
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_and_pipelined_requests_are_answered() {
    let app = TestApp::start().await;
    let mut idle = connect(&app).await;
    exchange(&mut idle, LIVEZ).await;
    let mut pipelined = connect(&app).await;
    pipelined.write_all(&LIVEZ.repeat(3)).await.unwrap();
    pipelined.write_all(&LIVEZ[..10]).await.unwrap();
    sleep(GIVEN_UP).await;
    assert!(exchange(&mut idle, LIVEZ).await.starts_with("HTTP/1.1 204"), "it was idle, not slow");
    let mut answers = vec![0; 16 * 1024];
    let length = pipelined.read(&mut answers).await.unwrap();
    let answers = String::from_utf8_lossy(&answers[..length]).into_owned();
    assert_eq!(answers.matches("HTTP/1.1 204").count(), 3, "{answers}");
}

/// An idle connection comes to a rest, of which its peer sees nothing.
#[tokio::test]
async fn a_connection_that_was_idle_goes_on_answering() {
    let app = TestApp::start().await;
    let mut stream = connect(&app).await;
    for _ in 0..3 {
        assert!(exchange(&mut stream, LIVEZ).await.starts_with("HTTP/1.1 204"));
        // Longer than it takes to come to a rest.
        sleep(Duration::from_millis(400)).await;
    }
    // A request that begins with the end of another one does not get lost in a rest.
    let (first, last) = LIVEZ.split_at(9);
    let answer = exchange(&mut stream, &[LIVEZ, first].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    sleep(Duration::from_millis(400)).await;
    assert!(exchange(&mut stream, last).await.starts_with("HTTP/1.1 204"));
    // Nor does an end.
    let end = b"GET /livez HTTP/1.1\r\nHost: watchme\r\nConnection: close\r\n\r\n";
    assert!(exchange(&mut stream, end).await.starts_with("HTTP/1.1 204"));
    assert_eq!(timeout(GIVEN_UP, stream.read(&mut [0])).await.unwrap().unwrap(), 0);
}

/// What comes late of a body is never taken for a request, however long the pause before it.
#[tokio::test]
async fn a_body_that_nobody_read_is_no_request() {
    let app = TestApp::start().await;
    let mut stream = connect(&app).await;
    let head = format!(
        "POST /api/v1/packages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        LIVEZ.len()
    );
    let answer = exchange(&mut stream, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    sleep(Duration::from_millis(700)).await;
    // It may be gone already.
    let _ = stream.write_all(LIVEZ).await;
    let mut rest = Vec::new();
    let _ = timeout(GIVEN_UP, stream.read_to_end(&mut rest)).await.expect("it ends");
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn what_never_becomes_a_request_is_answered_by_a_problem() {
    let app = TestApp::start().await;
    for (request, status, code) in [
        ("NONSENSE\r\n\r\n".to_owned(), 400, "malformed_request"),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(200_000)), 431, "headers_too_large"),
    ] {
        let (mut reading, mut writing) = connect(&app).await.into_split();
        let _ = writing.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(GIVEN_UP, reading.read_to_end(&mut answer)).await.expect("it is closed");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        for part in [code, "content-type: application/problem+json", "nosniff", "x-request-id: "] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let app = TestApp::start_with(&[("WATCHME_CONNECTIONS", "4")]).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&app).await;
        assert!(exchange(&mut stream, LIVEZ).await.starts_with("HTTP/1.1 204"));
        open.push(stream);
    }
    let mut waiting = connect(&app).await;
    waiting.write_all(LIVEZ).await.unwrap();
    let mut answer = [0; 12];
    let early = timeout(Duration::from_millis(500), waiting.read(&mut answer)).await;
    assert!(early.is_err(), "a fifth one is not served");
    open.pop();
    timeout(GIVEN_UP, waiting.read_exact(&mut answer)).await.expect("its turn comes").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
}

#[tokio::test]
async fn more_users_and_addresses_make_no_more_series() {
    let app = TestApp::start().await;
    let mut names = Vec::new();
    for users in [10, 200] {
        for number in 0..users {
            let email = format!("series{users}-{number}@example.com");
            let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Series" });
            let user = app.client.post("/auth/register", &body).await.expect(201);
            let id = user["id"].as_str().unwrap();
            app.client.get(&format!("/users/{id}")).await;
            app.client.get(&format!("//{id}")).await;
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
            app.client.send(method, "/genres", &[], None).await.unwrap();
        }
        // Once more, since the first scrape is counted itself.
        scrape(&app.client).await;
        // Which partitions are held, of eight, comes with time.
        let mut series: BTreeSet<_> = scrape(&app.client).await.into_keys().collect();
        series.retain(|name| !name.starts_with("watchme_lease_held"));
        names.push(series);
    }
    let more: Vec<_> = names[1].difference(&names[0]).collect();
    assert!(more.is_empty(), "{more:?}");
}
