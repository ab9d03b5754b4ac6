//! The audit log: who changed what, for admins to read and for nobody to change.

use serde_json::{Value, json};

use crate::{
    oracle::DRAMA,
    support::{Client, TestApp, app::USER_PASSWORD},
};

/// Entries of a query, newest first.
async fn entries(admin: &Client, query: &str) -> Vec<Value> {
    admin.get(&format!("/admin/audit?pageSize=100&{query}")).await.data()
}

#[tokio::test]
async fn admins_see_who_changed_what() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let path = format!("/admin/users/{}", user.id);
    let body = serde_json::to_vec(&json!({ "status": "disabled" })).unwrap();
    let headers = [("content-type", "application/json"), ("x-request-id", "the-one-we-look-for")];
    let patch = reqwest::Method::PATCH;
    admin.send(patch, &path, &headers, Some(body)).await.unwrap().expect(200);
    admin.patch(&path, &json!({ "status": "active", "role": "admin" })).await.expect(200);

    let found = entries(&admin, &format!("subject={}", user.id)).await;
    let actions: Vec<_> = found.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let role_changed = "account.role_changed";
    assert_eq!(actions, [role_changed, "account.enabled", "account.disabled", "account.created"]);
    assert_eq!(found[0]["after"], json!({ "role": "admin" }));
    assert_eq!(found[1]["after"], json!({ "status": "active" }));
    let disabled = &found[2];
    assert!(disabled["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(disabled["origin"], "request");
    assert_eq!(disabled["actor"], json!({ "id": admin.id }));
    assert_eq!(disabled["address"], "127.0.0.1");
    assert_eq!(disabled["requestId"], "the-one-we-look-for");
    assert_eq!(disabled["subject"], json!({ "kind": "user", "id": user.id }));
    assert_eq!(disabled["before"], json!({ "status": "active" }));
    assert_eq!(disabled["after"], json!({ "status": "disabled" }));
    let created = &found[3];
    assert_eq!(created["actor"], Value::Null, "nobody was signed in");
    assert_eq!(created["before"], Value::Null);
}

#[tokio::test]
async fn what_admins_do_to_the_service_is_noted_and_what_users_do_for_themselves_is_not() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let package = admin.make_package("Evenings", &[DRAMA]).await;
    let edit = json!({ "name": "Nights", "genreIds": [DRAMA] });
    let path = format!("/packages/{package}");
    admin.put_with(&path, &[("if-match", "\"1\"")], &edit).await.expect(200);
    user.subscribe(&package).await;
    user.put("/watched/550", &json!({})).await.expect(201);
    let held = user.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
    admin.delete(&format!("/subscriptions/{held}")).await.expect(204);
    let body = json!({ "packageId": package });
    admin.post(&format!("/users/{}/subscriptions", user.id), &body).await.expect(201);
    admin.delete(&path).await.expect(204);
    admin.delete("/admin/cache/movies/550").await.expect(204);
    admin.delete("/admin/cache/movies").await.expect(204);
    admin.post("/genres/sync", &json!({})).await.expect(200);

    let found = entries(&admin, &format!("actor={}", admin.id)).await;
    let found: Vec<_> = found.into_iter().filter(|it| it["action"] != "session.started").collect();
    let told: Vec<_> = found
        .iter()
        .rev()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["subject"]["id"].as_str().unwrap()))
        .collect();
    let expected = [
        ("package.created", package.as_str()),
        ("package.edited", &package),
        ("subscription.cancelled", &user.id),
        ("subscription.created", &user.id),
        ("package.archived", &package),
        ("cache.cleared", "550"),
        ("cache.cleared", "*"),
        ("genres.sync_requested", "*"),
    ];
    assert_eq!(told, expected);
    let own = entries(&admin, &format!("actor={}", user.id)).await;
    assert!(own.iter().all(|entry| entry["action"] == "session.started"), "{own:?}");
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_filtered() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for _ in 0..5 {
        admin.delete("/admin/cache/movies").await.expect(204);
    }
    let first = admin.get("/admin/audit?action=cache.cleared&pageSize=2").await.expect(200);
    assert_eq!(first["pagination"]["totalItems"], 5);
    assert_eq!(first["pagination"]["totalPages"], 3);
    let mut ids = Vec::new();
    for number in 1..=3 {
        let path = format!("/admin/audit?action=cache.cleared&pageSize=2&pageNumber={number}");
        ids.extend(admin.get(&path).await.data().iter().map(|it| it["id"].as_u64().unwrap()));
    }
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");

    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    assert!(entries(&admin, &format!("from={today}&action=cache.cleared")).await.len() <= 5);
    for (query, count) in [
        ("to=2020-01-01", 0),
        ("from=2020-01-01&action=cache.cleared", 5),
        ("from=2999-01-01", 0),
        ("action=cache", 0),
        ("subject=%27%20OR%201%3D1--", 0),
        ("actor=0190f5fe-7c00-7a00-8000-0000000000ff", 0),
    ] {
        assert_eq!(entries(&admin, query).await.len(), count, "{query}");
    }
    for (query, field) in [
        ("actor=me", "actor"),
        ("subject=", "subject"),
        ("action=%00", "action"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("origin=request", "origin"),
    ] {
        let problem = admin.get(&format!("/admin/audit?{query}")).await;
        let problem = problem.problem(400, "invalid_query");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

#[tokio::test]
async fn nobody_changes_the_log_and_users_do_not_see_it() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    app.client.get("/admin/audit").await.problem(401, "unauthenticated");
    user.get("/admin/audit").await.problem(403, "admin_only");
    let id = entries(&admin, "").await[0]["id"].clone();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let method: reqwest::Method = method.parse().unwrap();
        for (path, status, code) in [
            ("/admin/audit".to_owned(), 405, "method_not_allowed"),
            (format!("/admin/audit/{id}"), 404, "not_found"),
        ] {
            let answer = admin.send(method.clone(), &path, &[], None).await.unwrap();
            answer.problem(status, code);
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let path = format!("/users/{}", user.id);
    let profile = json!({ "name": "Renamed", "email": "renamed@example.com" });
    user.put(&path, &profile).await.expect(200);
    admin.delete(&path).await.expect(204);
    let log = Value::from(entries(&admin, "").await).to_string();
    for secret in ["$argon2id$", USER_PASSWORD, user.token.as_deref().unwrap()] {
        assert!(!log.contains(secret), "{log}");
    }
}
