//! Requests that mean no good: whatever they bring, they are refused or taken as they are, and the
//! service goes on.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::{
    problems::{JSON, post},
    support::{TestApp, app::USER_PASSWORD},
};

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
async fn a_deep_or_large_body_is_refused_and_the_service_goes_on() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for deep in [
        "[".repeat(30_000),
        format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("{{\"name\":{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
    ] {
        let answer = post(&admin, "/packages", &[JSON], deep.as_bytes()).await;
        assert!([400, 422].contains(&answer.status), "{}", answer.status);
    }
    let sized = |size: usize| {
        let mut body = br#"{"name":"One","genreIds":[18]}"#.to_vec();
        body.resize(size, b' ');
        body
    };
    let answer = post(&admin, "/packages", &[JSON], &sized(65_537)).await;
    answer.problem(413, "body_too_large");
    let answer = post(&admin, "/packages", &[JSON], &sized(3_000_000)).await;
    answer.problem(413, "body_too_large");
    let answer = post(&app.client, "/auth/login", &[JSON], &sized(65_537)).await;
    answer.problem(413, "body_too_large");
    post(&admin, "/packages", &[JSON], &sized(65_536)).await.expect(201);
}

#[tokio::test]
async fn hostile_text_is_refused_or_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let own = format!("/users/{}", user.id);
    let long = "\u{1f600}".repeat(100);
    let texts = [
        "a\u{0}b",
        "\u{202e}evil\u{202c}",
        "\u{feff}x",
        "x\u{200b}y",
        "a\r\nb",
        "\u{7f}x",
        "\u{1b}[31mred",
        "👩‍👩‍👧‍👦 семья 家族",
        "e\u{301}",
        "é",
        "ﬁ",
        "ß",
        "İ",
        "x'); DROP TABLE users;--",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "100%_\\",
        "null",
        "\\u0000",
        "\u{fffd}",
        "\u{10ffff}",
        "a\u{85}b",
        &long,
    ];
    for text in texts {
        let body = json!({ "name": text, "genreIds": [18] });
        let made = admin.post("/packages", &body).await;
        if made.status == 201 {
            let id = made.json()["id"].as_str().unwrap().to_owned();
            let read = admin.get(&format!("/packages/{id}")).await.expect(200);
            assert_eq!(read["name"], text);
            let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let found = admin.get(&format!("/packages?name={query}")).await.data();
            assert!(found.iter().any(|it| it["id"] == id.as_str()), "{text:?} is found");
            admin.delete(&format!("/packages/{id}")).await.expect(204);
        } else {
            made.invalid("name");
        }
        let profile = json!({ "name": text, "email": format!("u{}@example.com", text.len()) });
        let changed = user.put(&own, &profile).await;
        if changed.status == 200 {
            assert_eq!(user.get("/users/me").await.expect(200)["name"], text);
        } else {
            changed.invalid("name");
        }
        let account = json!({ "email": text, "password": USER_PASSWORD, "name": "A" });
        app.client.post("/auth/register", &account).await.invalid("email");
        let login = json!({ "email": "u@example.com", "password": text });
        let answer = app.client.post("/auth/login", &login).await;
        assert!([401, 422].contains(&answer.status), "{text:?}: {}", answer.text());
    }
    for refused in ["a\u{0}b", "a\r\nb", "\u{1b}[31mred", &"\u{1f600}".repeat(101)] {
        let body = json!({ "name": refused, "genreIds": [18] });
        admin.post("/packages", &body).await.invalid("name");
    }
    for query in ["%00", "%FF", "%C0%80", "%E2%80%AE", "%27%20OR%201%3D1", "%25%25%25", "a%0Ab"] {
        for list in ["/genres", "/packages", "/users"] {
            let answer = admin.get(&format!("{list}?name={query}")).await;
            assert!([200, 400].contains(&answer.status), "{list} {query}: {}", answer.text());
        }
    }
    for id in ["%00", "%FF", "'%20OR%201=1--", "%F0%9F%98%80", "..%2fusers", &"9".repeat(5000)] {
        let answer = admin.get(&format!("/packages/{id}")).await;
        assert!([400, 404].contains(&answer.status), "{id}: {}", answer.status);
    }
    assert_eq!(admin.get("/users").await.data().len(), 2);
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

/// What never becomes a request is answered by the HTTP library below the service, by its status
/// alone.
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
