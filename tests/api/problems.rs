//! What the service says when it refuses, and in which order it looks.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Client, TestApp, app::USER_PASSWORD};

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
const MISSING: &str = "01900000-0000-7000-8000-000000000000";

/// A POST of bytes.
pub(crate) async fn post(
    who: &Client,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    who.send(Method::POST, path, headers, Some(body.to_vec())).await.unwrap()
}

#[tokio::test]
async fn an_unknown_address_is_a_problem_of_the_usual_form() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in [
        "/nothing",
        "/users/me/x",
        "/genres/18",
        "//api",
        "//api/v2/users",
        "//api/v1",
        "//LIVEZ",
        "//livez/",
        "/users/",
        "//..%2f..%2fetc/passwd",
        "/%00",
        "/%FF",
        "/%zz",
        "/%",
    ] {
        for who in [&user, &app.client] {
            let answer = who.get(path).await;
            assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
            let code = if answer.status == 404 { "not_found" } else { "malformed_request" };
            answer.problem(answer.status, code);
        }
    }
}

#[tokio::test]
async fn a_method_that_an_address_does_not_have_is_405_with_those_it_has() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = format!("/users/{}", admin.id);
    for (path, method, allowed) in [
        ("/packages", "DELETE", "GET HEAD POST"),
        ("/packages", "OPTIONS", "GET HEAD POST"),
        ("/packages", "BREW", "GET HEAD POST"),
        ("/auth/login", "GET", "POST"),
        ("/auth/login", "HEAD", "POST"),
        ("/auth/register", "PUT", "POST"),
        (id.as_str(), "POST", "DELETE GET HEAD PUT"),
        ("/genres/sync", "PUT", "GET HEAD POST"),
        ("//livez", "POST", "GET HEAD"),
        ("//metrics", "TRACE", "GET HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = admin.send(method.clone(), path, &[], None).await.unwrap();
        assert_eq!(answer.status, 405, "{method} {path}");
        if method != Method::HEAD {
            answer.problem(405, "method_not_allowed");
        }
        let mut allow: Vec<_> = answer.header("allow").split(", ").collect();
        allow.sort_unstable();
        assert_eq!(allow.join(" "), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_400_and_what_is_not_called_json_415() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let good = br#"{"name":"One","genreIds":[18]}"#;
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "*/*"]
    {
        let answer = post(&admin, "/packages", &[("content-type", content_type)], good).await;
        answer.problem(415, "unsupported_media_type");
    }
    post(&admin, "/packages", &[], good).await.problem(415, "unsupported_media_type");
    for bad in [
        &b""[..],
        b" ",
        b"{",
        b"x",
        b"{} {}",
        b"{'name':'One'}",
        b"{\"name\":\"One\",}",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"a\nb\"}",
        b"\xef\xbb\xbf{}",
        b"{\"genreIds\":[1e999]}",
        b"\x00",
        b"NaN",
        b"{\"name\": 1, \"genreIds\": ",
    ] {
        let answer = post(&admin, "/packages", &[JSON], bad).await;
        answer.problem(400, "malformed_json");
    }
    // JSON, but not of this form.
    for wrong in ["null", "1", "\"x\"", "[]", "[{}]", "true"] {
        let answer = post(&admin, "/packages", &[JSON], wrong.as_bytes()).await;
        answer.problem(422, "validation_failed");
    }
    let utf8 = ("content-type", "Application/JSON; charset=UTF-8");
    post(&admin, "/packages", &[utf8], good).await.expect(201);
}

#[tokio::test]
async fn the_checks_come_in_their_order() {
    let app = TestApp::start().await;
    let (admin, user, nobody) = (app.admin().await, app.user().await, app.client.nobody());
    let large = vec![b'x'; 70_000];
    let text = ("content-type", "text/plain");
    let key = ("idempotency-key", "no good key");
    // 401, whatever else is wrong.
    for path in [
        "/packages?x=1",
        "/subscriptions",
        "/genres/sync",
        &format!("/users/{MISSING}/subscriptions"),
    ] {
        post(&nobody, path, &[text, key], &large).await.problem(401, "unauthenticated");
    }
    nobody.get("/users?pageSize=x").await.problem(401, "unauthenticated");
    nobody.get("/packages/x").await.problem(401, "unauthenticated");
    // 403 and 404 before the form.
    for body in [&large[..], b"{", b""] {
        post(&user, "/packages", &[text, key], body).await.problem(403, "admin_only");
        let path = format!("/users/{MISSING}/subscriptions");
        post(&user, &path, &[text, key], body).await.problem(403, "admin_only");
        post(&admin, &path, &[text], body).await.problem(404, "user_not_found");
        for (who, method, path, status) in [
            (&user, Method::PUT, format!("/users/{}", admin.id), 404),
            (&admin, Method::PUT, format!("/users/{}", user.id), 403),
            (&user, Method::PATCH, format!("/admin/users/{}", user.id), 403),
            (&admin, Method::PATCH, format!("/admin/users/{MISSING}"), 404),
            (&user, Method::PUT, format!("/packages/{MISSING}"), 403),
            (&admin, Method::PUT, format!("/packages/{MISSING}"), 404),
        ] {
            let answer = who.send(method.clone(), &path, &[text], Some(body.to_vec())).await;
            assert_eq!(answer.unwrap().status, status, "{method} {path}");
        }
    }
    user.delete(&format!("/subscriptions/{MISSING}?endsAt=x")).await.expect(404);
    user.get(&format!("/packages/{MISSING}/versions?pageSize=x")).await.expect(404);
    admin.get(&format!("/users/{MISSING}/subscriptions?pageSize=x")).await.expect(404);
    // The type before the size, the size before the values.
    post(&admin, "/packages", &[text], &large).await.problem(415, "unsupported_media_type");
    post(&admin, "/packages", &[JSON], &large).await.problem(413, "body_too_large");
    // The values before what is missing or stale, and those before what is taken.
    let id = admin.make_package("One", &[18]).await;
    let path = format!("/packages/{id}");
    let stale = [("if-match", "\"9\"")];
    let taken = json!({ "name": "Arthouse", "genreIds": [18] });
    admin.put_with(&path, &stale, &json!({ "name": "", "genreIds": [] })).await.expect(422);
    admin.put(&path, &taken).await.expect(428);
    assert!([409, 412].contains(&admin.put_with(&path, &stale, &taken).await.status));
    let unknown = json!({ "packageId": "x" });
    user.post("/subscriptions", &unknown).await.invalid("packageId");
}

#[tokio::test]
async fn unknown_fields_and_wrong_types_are_named_and_not_echoed() {
    let app = TestApp::start().await;
    for (body, field) in [
        (json!({ "email": "a@example.com", "password": USER_PASSWORD, "nmae": "canary" }), "nmae"),
        (json!({ "email": ["canary"], "password": USER_PASSWORD, "name": "A" }), "email"),
        (json!({ "email": { "canary": 1 }, "password": USER_PASSWORD, "name": "A" }), "email"),
        (json!({ "email": true, "password": USER_PASSWORD, "name": "A" }), "email"),
        (
            json!({ "email": "a@example.com", "password": 4_815_162_342_u64, "name": "A" }),
            "password",
        ),
    ] {
        let answer = app.client.post("/auth/register", &body).await;
        answer.invalid(field);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        assert!(!answer.text().contains("4815162342"), "{}", answer.text());
    }
    let twice =
        br#"{"email":"a@example.com","email":"b@example.com","password":"12345678","name":"A"}"#;
    post(&app.client, "/auth/register", &[JSON], twice).await.invalid("email");
    for error in app
        .client
        .post("/auth/register", &json!({}))
        .await
        .problem(422, "validation_failed")["errors"]
        .as_array()
        .unwrap()
    {
        for part in ["field", "code", "message"] {
            assert!(error[part].is_string(), "{error}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let longest = "a".repeat(128);
    for id in ["abc-123", "0190f5fe-7c00-7a00-8000-000000000001", "A.b_c-9", &longest[..64]] {
        for path in ["/genres", "/nothing", "//livez"] {
            let answer = user.get_with(path, &[("x-request-id", id)]).await;
            assert_eq!(answer.header("x-request-id"), id, "{path}");
        }
    }
    for bad in
        ["", "a b", "<script>", "a\"b", "a;b", &"a".repeat(1000), "${jndi:ldap://x}", "a/../b"]
    {
        let answer = user.get_with("/nothing", &[("x-request-id", bad)]).await;
        let id = answer.problem(404, "not_found")["instance"].as_str().unwrap().to_owned();
        assert!(Uuid::parse_str(&id).is_ok(), "{bad:?} became {id}");
    }
    let ids = [user.get("/genres").await, user.get("/genres").await, user.delete("/genres").await];
    let [one, two, three] = ids.map(|answer| answer.header("x-request-id").to_owned());
    assert!(one != two && two != three && !one.is_empty() && !three.is_empty());
}

#[tokio::test]
async fn a_head_says_what_a_get_would_without_the_body() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in ["/genres", "/packages", "/users/me", "/entitlements", "//livez", "//health"] {
        let get = user.get(path).await;
        let head = user.send(Method::HEAD, path, &[], None).await.unwrap();
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let head = async |who: &Client, path: &str| {
        let answer = who.send(Method::HEAD, path, &[], None).await.unwrap();
        assert!(answer.bytes.is_empty());
        answer.status
    };
    assert_eq!(head(&app.client, "/genres").await, 401);
    assert_eq!(head(&user, "/users").await, 403);
    assert_eq!(head(&user, "/nothing").await, 404);
    assert_eq!(head(&user, "/genres?pageSize=0").await, 400);
}

#[tokio::test]
async fn no_refusal_tells_of_the_inside() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let answers = [
        admin.post("/packages", &json!({ "name": "Arthouse", "genreIds": [18] })).await,
        user.post("/subscriptions", &json!({ "packageId": MISSING })).await,
        user.get("/users").await,
        user.get("/genres?ids=x&sort=y").await,
        post(&admin, "/packages", &[JSON], b"{").await,
        app.client.get("/users/me").await,
    ];
    for answer in answers {
        let problem: Value = answer.json();
        let code = problem["code"].as_str().unwrap().to_owned();
        answer.problem(answer.status, &code);
        let text = answer.text().to_lowercase();
        for inside in ["sql", "constraint", "src/", ".rs", "panick", "serde", "struct", "actix"] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
        assert!(!answer.header("cache-control").is_empty(), "{text}");
    }
}
