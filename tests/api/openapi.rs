//! The OpenAPI document, and whether the service keeps to it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    document::{Checker, operation},
    oracle::{DRAMA, FIGHT_CLUB},
    support::{TestApp, smtp::SmtpDouble},
};

/// The rows of the interface's table that belong to the core.
const CORE: &[(&str, &str)] = &[
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/{id}"),
    ("PUT", "/auth/password"),
    ("POST", "/auth/password/forgot"),
    ("POST", "/auth/password/reset"),
    ("POST", "/auth/email/verify"),
    ("POST", "/auth/email/verification"),
    ("GET", "/users/me"),
    ("GET", "/users"),
    ("GET", "/users/{id}"),
    ("PUT", "/users/{id}"),
    ("DELETE", "/users/{id}"),
    ("PATCH", "/admin/users/{id}"),
    ("GET", "/admin/audit"),
    ("GET", "/genres"),
    ("GET", "/genres/sync"),
    ("POST", "/genres/sync"),
    ("GET", "/packages"),
    ("POST", "/packages"),
    ("GET", "/packages/{id}"),
    ("GET", "/packages/{id}/versions"),
    ("PUT", "/packages/{id}"),
    ("DELETE", "/packages/{id}"),
    ("GET", "/subscriptions"),
    ("POST", "/subscriptions"),
    ("DELETE", "/subscriptions/{id}"),
    ("GET", "/users/{id}/subscriptions"),
    ("POST", "/users/{id}/subscriptions"),
    ("GET", "/entitlements"),
    ("GET", "/movies"),
    ("GET", "/movies/popular"),
    ("GET", "/movies/search"),
    ("GET", "/movies/{id}"),
    ("DELETE", "/admin/cache/movies/{id}"),
    ("DELETE", "/admin/cache/movies"),
    ("PUT", "/watched/{movieId}"),
    ("DELETE", "/watched/{movieId}"),
    ("GET", "/watched"),
    ("GET", "/watched/{movieId}"),
    ("POST", "/watched/{movieId}/plays"),
    ("DELETE", "/watched/{movieId}/plays/{playId}"),
    ("GET", "/reports/me"),
    ("GET", "/reports"),
    ("GET", "/reports/users/{id}"),
];
const OUTSIDE: &[(&str, &str)] =
    &[("GET", "/livez"), ("GET", "/readyz"), ("GET", "/health"), ("GET", "/metrics")];

#[tokio::test]
async fn the_document_is_openapi_3_1_and_has_every_route_of_the_core() {
    let app = TestApp::start().await;
    let answer = app.client.get("//api/openapi.json").await;
    let document = answer.expect(200);
    assert!(answer.header("content-type").starts_with("application/json"));
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let v1 = CORE.iter().map(|(method, path)| (*method, format!("/api/v1{path}")));
    for (method, path) in v1.chain(OUTSIDE.iter().map(|(m, p)| (*m, (*p).to_owned()))) {
        let operation = operation(&document, method, &path);
        assert!(operation.is_object(), "{method} {path} is missing");
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
    }
    // Every error has a body of one shape, with an example.
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with('4') || (status.starts_with('5') && path != "/health") {
                    let content = &response["content"]["application/problem+json"];
                    let examples = content["examples"].as_object();
                    assert!(examples.is_some_and(|it| !it.is_empty()), "{method} {path} {status}");
                }
            }
        }
    }
}

/// Everything that goes wrong in the same way everywhere, at every operation.
#[tokio::test]
async fn every_refusal_is_documented() {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.subscriber(&[DRAMA]).await);
    let mut it = Checker::new(&app).await;
    let mut wrong_token = app.client.clone();
    wrong_token.token = Some("a.b.c".to_owned());
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    let unknown = "0190f5fe-7c00-7a00-8000-0000000000ff";
    let document = it.document.clone();
    for (path, item) in document["paths"].as_object().unwrap() {
        // One session that this ends, so that the others go on.
        let (user, admin) = match path.ends_with("/auth/logout") {
            true => (app.user().await, app.admin().await),
            false => (user.clone(), admin.clone()),
        };
        for method in ["get", "post", "put", "patch"].iter().filter(|it| item.get(*it).is_some()) {
            let method = &method.to_uppercase();
            for id in [unknown, "2000000000", "550", "nonsense"] {
                let url =
                    path.replace("{id}", id).replace("{movieId}", id).replace("{playId}", unknown);
                it.send(&app.client, method, path, &url, &[], None).await;
                it.send(&wrong_token, method, path, &url, &[], None).await;
                let basic = [("authorization", "Basic dXNlcjpwYXNz")];
                it.send(&app.client, method, path, &url, &basic, None).await;
                for client in [&user, &admin] {
                    it.send(client, method, path, &url, &[], None).await;
                    it.send(client, method, path, &format!("{url}?nope=1"), &[], None).await;
                    it.send(client, method, path, &format!("{url}?pageNumber=0"), &[], None).await;
                    if method != "GET" {
                        let text = [("content-type", "text/plain")];
                        for (headers, body) in [
                            (JSON, "{"),
                            (JSON, "[]"),
                            (JSON, "{\"nope\":1}"),
                            (JSON, large.as_str()),
                            (&text, "{}"),
                            (
                                &[("content-type", "application/json"), ("if-match", "nonsense")],
                                "{}",
                            ),
                            (
                                &[
                                    ("content-type", "application/json"),
                                    ("idempotency-key", "a b\tc"),
                                ],
                                "{}",
                            ),
                        ] {
                            it.send(client, method, path, &url, headers, Some(body)).await;
                        }
                    }
                }
                if !path.contains('{') {
                    break;
                }
            }
            let none = [("accept-encoding", "identity;q=0, *;q=0")];
            let url = path.replace("{id}", "550").replace("{movieId}", "550");
            it.send(&admin, method, path, &url.replace("{playId}", unknown), &none, None).await;
        }
    }
    let seen = it.report();
    for status in [400, 401, 403, 404, 413, 415, 422] {
        assert!(seen.iter().any(|(_, found)| *found == status), "{status} was not provoked");
    }
}

#[tokio::test]
async fn every_success_is_documented() {
    const V1: &str = "/api/v1";
    const JSON: (&str, &str) = ("content-type", "application/json");
    let smtp = SmtpDouble::start().await;
    let app = TestApp::start_with(&[("WATCHME_SMTP_URL", &smtp.url())]).await;
    let (admin, user) = (app.admin().await, app.subscriber(&[DRAMA]).await);
    let mut it = Checker::new(&app).await;
    let nobody = &app.client;
    let v1 = |path: &str| format!("{V1}{path}");
    for (_, path) in OUTSIDE {
        it.send(nobody, "GET", path, path, &[], None).await;
    }
    it.send(nobody, "GET", "/api/openapi.json", "/api/openapi.json", &[], None).await;

    let body = r#"{"email":"doc@example.com","password":"a long enough password","name":"Doc"}"#;
    let path = v1("/auth/register");
    it.send(nobody, "POST", &path, &path, &[JSON], Some(body)).await.expect(201);
    it.send(nobody, "POST", &path, &path, &[JSON], Some(body)).await.problem(409, "email_taken");
    let login = v1("/auth/login");
    let right = r#"{"email":"doc@example.com","password":"a long enough password"}"#;
    let wrong = r#"{"email":"doc@example.com","password":"a wrong enough password"}"#;
    let tokens = it.send(nobody, "POST", &login, &login, &[JSON], Some(right)).await.expect(200);
    let refused = it.send(nobody, "POST", &login, &login, &[JSON], Some(wrong)).await;
    refused.problem(401, "invalid_credentials");
    let refresh = v1("/auth/refresh");
    let body = json!({ "refreshToken": tokens["refreshToken"] }).to_string();
    let tokens =
        it.send(nobody, "POST", &refresh, &refresh, &[JSON], Some(&body)).await.expect(200);
    let holder = app.client.with_token(tokens["accessToken"].as_str().unwrap());
    let path = v1("/auth/password");
    let body = r#"{"currentPassword":"a long enough password","newPassword":"a longer password"}"#;
    it.send(&holder, "PUT", &path, &path, &[JSON], Some(body)).await.expect(204);
    let again = it.send(&holder, "PUT", &path, &path, &[JSON], Some(body)).await;
    again.problem(403, "wrong_password");
    let other = holder.login("doc@example.com", "a longer password").await;
    let sessions = other.get("/auth/sessions").await.data();
    let one = sessions.iter().find(|session| session["current"] == false).unwrap();
    let url = v1(&format!("/auth/sessions/{}", one["id"].as_str().unwrap()));
    let path = v1("/auth/sessions/{id}");
    it.send(&other, "DELETE", &path, &url, &[], None).await.expect(204);
    let missing = it.send(&other, "DELETE", &path, &url, &[], None).await;
    missing.problem(404, "session_not_found");
    let path = v1("/auth/logout");
    it.send(&other, "POST", &path, &path, &[], None).await.expect(204);
    it.send(&other, "POST", &path, &path, &[], None).await.problem(401, "session_ended");

    let forgot = v1("/auth/password/forgot");
    let email = Some(r#"{"email":"doc@example.com"}"#);
    it.send(nobody, "POST", &forgot, &forgot, &[JSON], email).await.expect(202);
    // The first one said that the password was changed.
    let token = smtp.mails_to("doc@example.com", 2).await[1].token();
    let reset = v1("/auth/password/reset");
    let body = json!({ "token": token, "password": "a longer enough password" }).to_string();
    it.send(nobody, "POST", &reset, &reset, &[JSON], Some(&body)).await.expect(204);
    let used = it.send(nobody, "POST", &reset, &reset, &[JSON], Some(&body)).await;
    used.problem(422, "invalid_mail_token");
    let again = v1("/auth/email/verification");
    it.send(&user, "POST", &again, &again, &[], None).await.expect(202);

    let url = smtp.url();
    let settings = [("WATCHME_SMTP_URL", url.as_str()), ("WATCHME_EMAIL_VERIFICATION", "on")];
    let strict = TestApp::start_with(&settings).await;
    let body = r#"{"email":"strict@example.com","password":"a long enough password","name":"Doc"}"#;
    let path = v1("/auth/register");
    it.send(&strict.client, "POST", &path, &path, &[JSON], Some(body)).await.expect(202);
    let token = smtp.mails_to("strict@example.com", 1).await[0].token();
    let (verify, body) = (v1("/auth/email/verify"), json!({ "token": token }).to_string());
    it.send(&strict.client, "POST", &verify, &verify, &[JSON], Some(&body)).await.expect(204);

    // Everything that is read without an id, by an admin who has something of everything.
    admin.subscribe(&user.package(&format!("Package of {}", user.id)).await).await;
    let package = user.package(&format!("Package of {}", user.id)).await;
    let held = user.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
    for (client, status) in [(&user, 201), (&user, 200), (&admin, 201)] {
        let (path, url) = (v1("/watched/{movieId}"), v1("/watched/550"));
        it.send(client, "PUT", &path, &url, &[JSON], Some("{}")).await.expect(status);
    }
    let plays = v1("/watched/{movieId}/plays");
    let play = it.send(&admin, "POST", &plays, &v1("/watched/550/plays"), &[], None).await;
    let play = play.expect(201)["id"].as_str().unwrap().to_owned();
    for (method, path) in
        CORE.iter().filter(|(method, path)| *method == "GET" && !path.contains('{'))
    {
        let url = match *path {
            "/movies/search" => v1("/movies/search?query=fight"),
            path => v1(path),
        };
        let answer = it.send(&admin, method, &v1(path), &url, &[], None).await;
        answer.expect(200);
        let tag = answer.header("etag").to_owned();
        if !tag.is_empty() {
            let known = [("if-none-match", tag.as_str())];
            let again = it.send(&admin, method, &v1(path), &url, &known, None).await;
            assert_eq!(again.status, 304, "{path}");
        }
    }
    for (path, url) in [
        ("/users/{id}", format!("/users/{}", user.id)),
        ("/users/{id}/subscriptions", format!("/users/{}/subscriptions", user.id)),
        ("/packages/{id}", format!("/packages/{package}")),
        ("/packages/{id}/versions", format!("/packages/{package}/versions")),
        ("/movies/{id}", format!("/movies/{FIGHT_CLUB}")),
        ("/watched/{movieId}", "/watched/550".to_owned()),
        ("/reports/users/{id}", format!("/reports/users/{}", user.id)),
    ] {
        it.send(&admin, "GET", &v1(path), &v1(&url), &[], None).await.expect(200);
    }

    // Changes.
    let users = v1("/users/{id}");
    let own = v1(&format!("/users/{}", user.id));
    let renamed = json!({ "name": "Renamed", "email": "renamed@example.com" }).to_string();
    it.send(&user, "PUT", &users, &own, &[JSON], Some(&renamed)).await.expect(200);
    let path = v1("/admin/users/{id}");
    let url = v1(&format!("/admin/users/{}", user.id));
    let standing = Some(r#"{"role":"user","status":"active"}"#);
    it.send(&admin, "PATCH", &path, &url, &[JSON], standing).await.expect(200);
    let path = v1("/genres/sync");
    it.send(&admin, "POST", &path, &path, &[], None).await.expect(200);
    let packages = v1("/packages");
    let made = Some(r#"{"name":"Documented","genreIds":[18,35]}"#);
    let made = it.send(&admin, "POST", &packages, &packages, &[JSON], made).await.expect(201);
    let one = v1("/packages/{id}");
    let url = v1(&format!("/packages/{}", made["id"].as_str().unwrap()));
    let edit = Some(r#"{"name":"Documented","genreIds":[18],"applyTo":"all"}"#);
    let tag = [JSON, ("if-match", "\"1\"")];
    let unseen = it.send(&admin, "PUT", &one, &url, &[JSON], edit).await;
    unseen.problem(428, "precondition_required");
    let no_tag = [JSON, ("if-match", "nonsense")];
    it.send(&admin, "PUT", &one, &url, &no_tag, edit).await.problem(400, "invalid_header");
    it.send(&admin, "PUT", &one, &url, &tag, Some("{}")).await.problem(422, "validation_failed");
    it.send(&admin, "PUT", &one, &url, &tag, edit).await.expect(200);
    it.send(&admin, "PUT", &one, &url, &tag, edit).await.problem(412, "version_mismatch");
    let path = v1("/subscriptions");
    let wanted = json!({ "packageId": made["id"] }).to_string();
    let held_too = it.send(&user, "POST", &path, &path, &[JSON], Some(&wanted)).await.expect(201);
    let twice = it.send(&user, "POST", &path, &path, &[JSON], Some(&wanted)).await;
    twice.problem(409, "already_subscribed");
    let path = v1("/users/{id}/subscriptions");
    let url_of = v1(&format!("/users/{}/subscriptions", admin.id));
    it.send(&admin, "POST", &path, &url_of, &[JSON], Some(&wanted)).await.expect(201);
    let path = v1("/subscriptions/{id}");
    let url_of = v1(&format!("/subscriptions/{}", held_too["id"].as_str().unwrap()));
    it.send(&user, "DELETE", &path, &url_of, &[], None).await;
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let url_of = v1(&format!("/subscriptions/{held}?endsAt={soon}"));
    it.send(&user, "DELETE", &path, &url_of, &[], None).await;
    it.send(&admin, "DELETE", &one, &url, &[], None).await;
    for (client, path, url) in [
        (&admin, "/admin/cache/movies", "/admin/cache/movies".to_owned()),
        (&admin, "/admin/cache/movies/{id}", "/admin/cache/movies/550".to_owned()),
        (&admin, "/watched/{movieId}/plays/{playId}", format!("/watched/550/plays/{play}")),
        (&admin, "/watched/{movieId}", "/watched/550".to_owned()),
        (&user, "/users/{id}", format!("/users/{}", user.id)),
    ] {
        it.send(client, "DELETE", &v1(path), &v1(&url), &[], None).await.expect(204);
    }

    let seen: BTreeSet<String> =
        it.report().into_iter().filter(|(_, status)| *status < 300).map(|(name, _)| name).collect();
    for (method, path) in CORE {
        let name = format!("{method} /api/v1{path}");
        assert!(seen.contains(&name), "{name} never succeeded");
    }
}

#[tokio::test]
async fn a_browser_finds_the_docs_and_needs_no_other_host() {
    let app = TestApp::start().await;
    for path in ["//", "//api/docs"] {
        let answer = app.client.get(path).await;
        assert!((301..=308).contains(&answer.status), "{path}: {}", answer.status);
        assert_eq!(answer.header("location"), "/api/docs/");
    }
    let index = app.client.get("//api/docs/").await;
    assert_eq!(index.status, 200);
    assert!(index.header("content-type").starts_with("text/html"));
    let html = index.text();
    let mut files = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        files.extend(html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()));
    }
    assert!(files.len() >= 3, "{html}");
    let mut scripts = String::new();
    for file in files {
        assert!(!file.contains("//"), "{file} is somewhere else");
        let file = app.client.get(&format!("//api/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(file.status, 200);
        assert!(!file.bytes.is_empty());
        if file.bytes.len() < 10_000 {
            scripts += &file.text();
        }
    }
    assert!(scripts.contains("/api/openapi.json"), "the page knows where the document is");
    assert!(
        !scripts.contains("https://") && !html.contains("https://"),
        "nothing is loaded from elsewhere"
    );
    app.client.get("//api/docs/no-such-file.js").await.problem(404, "not_found");
}

#[tokio::test]
async fn every_error_says_where_it_is_explained() {
    let app = TestApp::start().await;
    let problem = app.client.get("/movies").await.problem(401, "unauthenticated");
    let (page, anchor) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    let page = app.client.get(&format!("/{page}")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains(&format!("id=\"{anchor}\"")));
}
