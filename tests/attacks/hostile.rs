//! Hostile values in every place of every operation: a refusal that says why, or exactly what was
//! sent comes back.

use futures_util::{StreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cast::CHEAP_HASHES,
    fields,
    policy::{POLICY, Rule},
    strings::hostile,
    support::{Answer, TestApp},
    target::Target,
    values::raw_values,
};

/// How many places are attacked at a time.
const AT_ONCE: usize = 6;
/// Of how many texts one is tried at a place that is no field of a body.
const SAMPLE: usize = 5;

/// A service, and every operation of its document with its description.
async fn service() -> (TestApp, Value, Vec<(Rule, Value)>) {
    let app = TestApp::start_with(&CHEAP_HASHES).await;
    let document = app.client.get("//api/openapi.json").await.expect(200);
    let described = |rule: &Rule| fields::operation(&document, rule.method, rule.path).clone();
    let all = POLICY.iter().map(|rule| (*rule, described(rule)));
    let all = all.filter(|(_, operation)| operation.is_object()).collect();
    (app, document, all)
}

/// Of many texts those for one place: every fifth, begun with another one at each place, so that all
/// of them are tried somewhere. With `WATCHME_HOSTILE=all` all of them everywhere.
fn sample(texts: Vec<String>, place: &str) -> Vec<String> {
    if std::env::var("WATCHME_HOSTILE").is_ok_and(|it| it == "all") {
        return texts;
    }
    let first = place.bytes().map(usize::from).sum::<usize>() % SAMPLE;
    texts.into_iter().skip(first).step_by(SAMPLE).collect()
}

/// Attacks many places side by side; prints how many requests that took.
async fn attack<T, F: Future<Output = usize>>(what: &str, places: Vec<T>, one: impl Fn(T) -> F) {
    assert!(!places.is_empty());
    let count = places.len();
    let sent: usize =
        stream::iter(places).map(one).buffer_unordered(AT_ONCE).fold(0, async |a, b| a + b).await;
    println!("{what}: {count} places, {sent} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_every_body_is_refused_or_comes_back() {
    let (app, document, operations) = service().await;
    let mut places = Vec::new();
    for (rule, operation) in &operations {
        let fields = fields::of_body(&document, operation);
        assert_eq!(fields.is_empty(), operation["requestBody"].is_null(), "{rule:?}");
        places.extend(fields.into_iter().map(|field| (*rule, field)));
    }
    attack("fields", places, async |(rule, field)| {
        let mut target = Target::new(&app, rule).await;
        let texts = hostile().into_iter().map(|text| (json!(text).to_string().into(), Some(text)));
        let values = texts.chain(raw_values().into_iter().map(|bytes| (bytes, None)));
        for (value, text) in values {
            let body = with(target.request.body.as_ref().unwrap(), &field, &value);
            let what = (field.as_str(), String::from_utf8_lossy(&value));
            let answer = target.send(&target.request.path, &[], Some(body), &what).await;
            if answer.status < 300 {
                if let Some(text) = text {
                    comes_back(&target, &answer, &field, &text).await;
                }
                target.renew(&app).await;
            }
        }
        target.sent()
    })
    .await;
}

/// A body with one of its fields exchanged for these bytes, whatever they are.
fn with(body: &Value, field: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'{'];
    for (name, value) in body.as_object().unwrap().iter().filter(|(name, _)| *name != field) {
        bytes.extend(format!("{}:{value},", json!(name)).into_bytes());
    }
    bytes.extend(format!("{}:", json!(field)).into_bytes());
    bytes.extend(value);
    bytes.push(b'}');
    bytes
}

/// What was accepted is what is read, and found, and signed in with.
async fn comes_back(target: &Target, answer: &Answer, field: &str, text: &str) {
    let admin = &target.cast.admin;
    if field == "password" && answer.header("location").contains("/users/") {
        let login = |password: &str| {
            let email = target.request.body.as_ref().unwrap()["email"].clone();
            json!({ "email": email, "password": password })
        };
        admin.nobody().post("/auth/login", &login(text)).await.expect(200);
        if text != text.trim() {
            admin.nobody().post("/auth/login", &login(text.trim())).await.expect(401);
        }
        return;
    }
    if field == "newPassword" {
        let me = target.client.get("/users/me").await.expect(200);
        let login = |password: &str| json!({ "email": me["email"], "password": password });
        admin.nobody().post("/auth/login", &login(text)).await.expect(200);
        if text != text.trim() {
            admin.nobody().post("/auth/login", &login(text.trim())).await.expect(401);
        }
        return;
    }
    let place = match (answer.header("location"), &target.request.method) {
        ("", &Method::PUT) => target.request.path.clone(),
        ("", _) => return,
        (location, _) => location.to_owned(),
    };
    let expected = match field {
        "name" => text.trim().to_owned(),
        "email" => text.trim().to_ascii_lowercase(),
        _ => return,
    };
    let read = admin.get(&format!("/{place}")).await.expect(200);
    assert_eq!(read[field], expected, "{place}: {text:?}");
    if place.contains("/packages/") {
        let wanted = utf8_percent_encode(&expected, NON_ALPHANUMERIC);
        let list = format!("/packages?archived=false&pageSize=100&name={wanted}");
        let found = admin.get(&list).await.expect(200);
        // Others may have it in their names too, and fill the page.
        let here = found["data"].as_array().unwrap().iter().any(|it| it["id"] == read["id"]);
        assert!(here || found["pagination"]["lastPage"] == false, "{text:?} is not found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_of_a_query_is_understood_or_refused() {
    let (app, _, operations) = service().await;
    let mut places = Vec::new();
    for (rule, operation) in &operations {
        let names = fields::parameters(operation, "query");
        places.extend(names.into_iter().map(|name| (*rule, name)));
    }
    attack("queries", places, async |(rule, name)| {
        let target = Target::new(&app, rule).await;
        let path = target.request.path.split('?').next().unwrap();
        let needed = if path.ends_with("/search") && name != "query" { "query=x&" } else { "" };
        for value in sample(encoded(), &format!("{}{name}", rule.path)) {
            let url = format!("{path}?{needed}{name}={value}");
            target.send(&url, &[], None, &()).await;
        }
        target.send(&format!("{path}?{name}"), &[], None, &()).await;
        target.send(&format!("{path}?{name}=1&{name}=2"), &[], None, &()).await;
        target.sent()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_of_a_path_names_something_or_nothing() {
    let (app, _, operations) = service().await;
    let mut places = Vec::new();
    for (rule, operation) in &operations {
        let names = fields::parameters(operation, "path");
        places.extend(names.into_iter().map(|name| (*rule, name)));
    }
    attack("paths", places, async |(rule, name)| {
        let target = Target::new(&app, rule).await;
        let place = format!("{{{name}}}");
        let at = rule.path.split('/').position(|part| part == place).unwrap();
        let body = target.request.body.as_ref().map(|body| body.to_string().into_bytes());
        // The client itself goes up a step for dots.
        let mut values = sample(encoded(), &format!("{}{}", rule.method, rule.path));
        values.retain(|value| !["%2E", "%2E%2E"].contains(&value.as_str()));
        for value in values {
            let mut parts: Vec<&str> = target.request.path.split('/').collect();
            parts[at] = &value;
            let answer = target.send(&parts.join("/"), &[], body.clone(), &()).await;
            // A number may be one of a movie; no text is the id of anything else.
            let may = rule.path.contains("movie") || value == "me" || answer.status >= 400;
            assert!(may, "{} {value:?}: {}", rule.path, answer.status);
        }
        target.sent()
    })
    .await;
}

/// For a URL: every text, and what no text is encoded as.
fn encoded() -> Vec<String> {
    let texts = hostile();
    let mut values: Vec<String> =
        texts.iter().map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()).collect();
    let raw = ["%", "%zz", "%0", "%00", "%FF", "%C0%80", "%C0%AF", "%E2%82", "%ED%A0%80", "%u0041"];
    values.extend(raw.map(str::to_owned));
    values
}

/// Of headers the client that sends them refuses what would end them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_header_is_understood_refused_or_ignored() {
    const READ: [&str; 12] = [
        "authorization",
        "x-request-id",
        "traceparent",
        "tracestate",
        "content-type",
        "accept",
        "accept-encoding",
        "x-forwarded-for",
        "forwarded",
        "origin",
        "user-agent",
        "host",
    ];
    let (app, _, operations) = service().await;
    let mut places: Vec<(Rule, String)> = Vec::new();
    for (rule, operation) in &operations {
        let names = fields::parameters(operation, "header").into_iter();
        places.extend(names.map(|name| (*rule, name.to_ascii_lowercase())));
        if rule.path == "/api/v1/packages" {
            places.extend(READ.map(|name| (*rule, name.to_owned())));
        }
    }
    attack("headers", places, async |(rule, name)| {
        let target = Target::new(&app, rule).await;
        let body = target.request.body.as_ref().map(|body| body.to_string().into_bytes());
        for text in sample(hostile(), &format!("{}{}{name}", rule.method, rule.path)) {
            let fits = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            if text.len() < 8_192 && text.bytes().all(fits) {
                let headers = [(name.as_str(), text.as_bytes())];
                target.send(&target.request.path, &headers, body.clone(), &headers[0]).await;
            }
        }
        target.sent()
    })
    .await;
}

#[tokio::test]
async fn a_body_of_another_shape_depth_or_size_is_refused_everywhere() {
    let (app, _, operations) = service().await;
    let mut large = br#"{"name":""#.to_vec();
    large.resize(10 * 1024 * 1024, b'x');
    for (rule, operation) in operations {
        if operation["requestBody"].is_null() {
            continue;
        }
        let target = Target::new(&app, rule).await;
        let path = &target.request.path;
        for body in raw_values() {
            // `{}` is all that some operations need.
            if body != b"{}" {
                let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
                let answer = target.send(path, &[], Some(body.clone()), &shown).await;
                assert!([400, 422].contains(&answer.status), "{path} {shown}: {}", answer.status);
            }
        }
        target.send(path, &[], Some(large.clone()), "10 MB").await.problem(413, "body_too_large");
        let padded = large[..65_537].to_vec();
        target.send(path, &[], Some(padded), "64 KiB + 1").await.problem(413, "body_too_large");
    }
    app.client.get("//livez").await.expect(204);
}
