//! Accounts: who may read, change and delete which.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, app::USER_PASSWORD};

async fn named(app: &TestApp, email: &str, name: &str) -> Client {
    let body = json!({ "email": email, "password": USER_PASSWORD, "name": name });
    app.client.post("/auth/register", &body).await.expect(201);
    app.client.login(email, USER_PASSWORD).await
}

async fn emails(admin: &Client, query: &str) -> Vec<String> {
    let users = admin.get(&format!("/users?pageSize=100&{query}")).await.data();
    users.iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_admin_finds_accounts_by_filters_that_combine() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let ada = named(&app, "ada@lovelace.example", "Ada Lovelace").await;
    named(&app, "grace@hopper.example", "Grace 100% Hopper").await;
    named(&app, "alan_t@example.org", "Alan").await;
    let path = format!("/admin/users/{}", ada.id);
    admin.patch(&path, &json!({ "status": "disabled" })).await.expect(200);

    const ADMIN: &str = "admin@watchme.example";
    assert_eq!(emails(&admin, "").await.len(), 4);
    for (query, found) in [
        ("email=LOVELACE", vec!["ada@lovelace.example"]),
        ("name=lovelace", vec!["ada@lovelace.example"]),
        ("name=l&role=user", vec!["ada@lovelace.example", "alan_t@example.org"]),
        ("name=%25", vec!["grace@hopper.example"]),
        ("email=_", vec!["alan_t@example.org"]),
        ("email=%5C", vec![]),
        ("role=admin", vec![ADMIN]),
        ("status=disabled", vec!["ada@lovelace.example"]),
        ("name=a&status=active&role=user", vec!["grace@hopper.example", "alan_t@example.org"]),
        ("role=admin&status=disabled", vec![]),
        ("name='%20OR%201=1--", vec![]),
    ] {
        assert_eq!(emails(&admin, query).await, found, "{query}");
    }
    for (query, field) in [
        ("role=root", "role"),
        ("role=Admin", "role"),
        ("status=deleted", "status"),
        ("email=", "email"),
        ("name=%00", "name"),
        ("id=1", "id"),
        ("role=admin&role=user", "role"),
    ] {
        let problem = admin.get(&format!("/users?{query}")).await.problem(400, "invalid_query");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

#[tokio::test]
async fn accounts_come_in_pages_that_neither_repeat_nor_leave_out() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for _ in 0..6 {
        app.user().await;
    }
    let mut seen = Vec::new();
    for page in 1..=4 {
        let answer = admin.get(&format!("/users?pageSize=2&pageNumber={page}")).await;
        let users = answer.data();
        assert_eq!(users.len(), if page == 4 { 1 } else { 2 });
        let pagination = &answer.json()["pagination"];
        assert_eq!(pagination["totalPages"], 4);
        assert_eq!(pagination["lastPage"], page == 4);
        seen.extend(users.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
    }
    let all = admin.get("/users?pageSize=100").await.data();
    let all: Vec<_> = all.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_user_knows_of_nobody_but_themselves() {
    let app = TestApp::start().await;
    let (ada, bob, admin) = (app.user().await, app.user().await, app.admin().await);
    let profile = json!({ "name": "New", "email": "new@example.com" });
    for id in [bob.id.as_str(), "01900000-0000-7000-8000-000000000000", "1", "me2"] {
        let path = format!("/users/{id}");
        ada.get(&path).await.problem(404, "user_not_found");
        ada.put(&path, &profile).await.problem(404, "user_not_found");
        ada.delete(&path).await.problem(404, "user_not_found");
        ada.get(&format!("{path}/subscriptions")).await.problem(403, "admin_only");
        ada.patch(&format!("/admin{path}"), &json!({})).await.problem(403, "admin_only");
        for who in [&app.client.nobody()] {
            who.get(&path).await.problem(401, "unauthenticated");
            who.put(&path, &profile).await.problem(401, "unauthenticated");
            who.delete(&path).await.problem(401, "unauthenticated");
        }
    }
    ada.get("/users").await.problem(403, "admin_only");
    ada.get("/users?pageSize=x").await.problem(403, "admin_only");
    assert_eq!(bob.get("/users/me").await.expect(200)["id"], bob.id);
    let own = ada.get(&format!("/users/{}", ada.id)).await.expect(200);
    assert_eq!(own, ada.get("/users/me").await.expect(200));
    assert_eq!(own, admin.get(&format!("/users/{}", ada.id)).await.expect(200));
}

#[tokio::test]
async fn an_admin_may_not_edit_the_profile_of_another() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.user().await, app.admin().await);
    let before = ada.get("/users/me").await.expect(200);
    let profile = json!({ "name": "New", "email": "new@example.com" });
    admin.put(&format!("/users/{}", ada.id), &profile).await.problem(403, "not_owner");
    assert_eq!(ada.get("/users/me").await.expect(200), before);
    for id in ["01900000-0000-7000-8000-000000000000", "1"] {
        admin.put(&format!("/users/{id}"), &profile).await.problem(404, "user_not_found");
        admin.get(&format!("/users/{id}")).await.problem(404, "user_not_found");
        admin.delete(&format!("/users/{id}")).await.problem(404, "user_not_found");
        let patch = json!({ "status": "disabled" });
        admin.patch(&format!("/admin/users/{id}"), &patch).await.problem(404, "user_not_found");
    }
    let own = admin.put(&format!("/users/{}", admin.id), &profile).await.expect(200);
    assert_eq!((&own["name"], &own["role"]), (&json!("New"), &json!("admin")));
}

#[tokio::test]
async fn a_profile_is_replaced_whole() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user().await, app.user().await);
    let path = format!("/users/{}", ada.id);
    let before = ada.get(&path).await.expect(200);
    let email = before["email"].as_str().unwrap().to_owned();
    let profile = json!({ "name": "  Countess  ", "email": "Ada@New.example" });
    let after = ada.put(&path, &profile).await.expect(200);
    assert_eq!((&after["name"], &after["email"]), (&json!("Countess"), &json!("ada@new.example")));
    assert_eq!((&after["id"], &after["createdAt"]), (&before["id"], &before["createdAt"]));
    let at = |user: &Value| user["updatedAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at(&after) > at(&before), "{before} {after}");
    assert_eq!(ada.get("/users/me").await.expect(200), after);
    app.client.login("ada@new.example", USER_PASSWORD).await;
    let old = json!({ "email": email, "password": USER_PASSWORD });
    app.client.post("/auth/login", &old).await.problem(401, "invalid_credentials");
    // Its own address in another spelling is nobody else's.
    let again = json!({ "name": "Ada", "email": "ADA@new.example" });
    ada.put(&path, &again).await.expect(200);

    let taken = bob.get("/users/me").await.expect(200)["email"].clone();
    let body = json!({ "name": "Ada", "email": taken });
    ada.put(&path, &body).await.problem(409, "email_taken");
    for (body, field) in [
        (json!({ "name": "Ada" }), "email"),
        (json!({ "email": "a@example.com" }), "name"),
        (json!({ "name": "", "email": "a@example.com" }), "name"),
        (json!({ "name": "Ada", "email": "a" }), "email"),
        (json!({ "name": "Ada", "email": "a@example.com", "role": "admin" }), "role"),
        (json!({ "name": null, "email": "a@example.com" }), "name"),
    ] {
        ada.put(&path, &body).await.invalid(field);
    }
    assert_eq!(ada.get(&path).await.expect(200)["email"], "ada@new.example");
}

#[tokio::test]
async fn a_role_counts_from_the_very_next_request() {
    let app = TestApp::start().await;
    let (admin, ada) = (app.admin().await, app.user().await);
    let path = format!("/admin/users/{}", ada.id);
    ada.get("/users").await.problem(403, "admin_only");
    for _ in 0..3 {
        let granted = admin.patch(&path, &json!({ "role": "admin" })).await.expect(200);
        assert_eq!((&granted["role"], &granted["status"]), (&json!("admin"), &json!("active")));
        ada.get("/users").await.expect(200);
        admin.patch(&path, &json!({ "role": "user" })).await.expect(200);
        ada.get("/users").await.problem(403, "admin_only");
    }
    for (body, field) in [
        (json!({ "role": "root" }), "role"),
        (json!({ "status": "deleted" }), "status"),
        (json!({ "role": 1 }), "role"),
        (json!({ "name": "x" }), "name"),
        (json!({ "email": "x@example.com" }), "email"),
        (json!({ "password": "a new pass phrase" }), "password"),
    ] {
        admin.patch(&path, &body).await.invalid(field);
    }
    admin.patch(&path, &json!({})).await.problem(422, "validation_failed");
    assert_eq!(ada.get("/users/me").await.expect(200)["role"], "user");
}

#[tokio::test]
async fn the_last_active_admin_stays_one() {
    let app = TestApp::start().await;
    let (admin, bob) = (app.admin().await, app.user().await);
    let own = format!("/admin/users/{}", admin.id);
    let bobs = format!("/admin/users/{}", bob.id);
    let leave: [Value; 3] = [
        json!({ "role": "user" }),
        json!({ "status": "disabled" }),
        json!({ "role": "user", "status": "disabled" }),
    ];
    for body in &leave {
        admin.patch(&own, body).await.problem(409, "last_admin");
    }
    admin.delete(&format!("/users/{}", admin.id)).await.problem(409, "last_admin");
    // A disabled admin is none.
    admin.patch(&bobs, &json!({ "role": "admin", "status": "disabled" })).await.expect(200);
    for body in &leave {
        admin.patch(&own, body).await.problem(409, "last_admin");
    }
    admin.delete(&format!("/users/{}", admin.id)).await.problem(409, "last_admin");
    let enabled = admin.patch(&bobs, &json!({ "status": "active" })).await.expect(200);
    // What was ended by disabling stays so.
    let bob = app.client.login(enabled["email"].as_str().unwrap(), USER_PASSWORD).await;
    admin.delete(&format!("/users/{}", admin.id)).await.expect(204);
    bob.delete(&format!("/users/{}", bob.id)).await.problem(409, "last_admin");
    bob.get("/users").await.expect(200);
}

#[tokio::test]
async fn two_admins_who_depose_each_other_at_once_leave_one() {
    let app = TestApp::start().await;
    let (admin, bob) = (app.admin().await, app.user().await);
    let bobs = format!("/admin/users/{}", bob.id);
    admin.patch(&bobs, &json!({ "role": "admin" })).await.expect(200);
    let body = json!({ "role": "user" });
    let own = format!("/admin/users/{}", admin.id);
    let (one, other) = tokio::join!(admin.patch(&bobs, &body), bob.patch(&own, &body));
    let succeeded = [&one, &other].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(succeeded, 1, "{} {}", one.text(), other.text());
    let mut left = 0;
    for who in [&admin, &bob] {
        left += usize::from(who.get("/users").await.status == 200);
    }
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_behind() {
    let app = TestApp::start_with(&[("WATCHME_PACKAGE_CREATORS", "users")]).await;
    let admin = app.admin().await;
    let ada = named(&app, "ada@example.com", "Ada").await;
    let package = ada.make_package("Ada's", &[18]).await;
    let subscription = ada.subscribe(&package).await;
    admin.delete(&format!("/users/{}", ada.id)).await.expect(204);

    ada.get("/users/me").await.problem(401, "account_inactive");
    admin.get(&format!("/users/{}", ada.id)).await.problem(404, "user_not_found");
    admin.get(&format!("/users/{}/subscriptions", ada.id)).await.problem(404, "user_not_found");
    admin.get(&format!("/reports/users/{}", ada.id)).await.problem(404, "user_not_found");
    let gone = admin.delete(&format!("/subscriptions/{subscription}")).await;
    gone.problem(404, "subscription_not_found");
    assert!(emails(&admin, "email=ada").await.is_empty());
    let kept = admin.get(&format!("/packages/{package}")).await.expect(200);
    assert_eq!(kept["createdBy"], Value::Null, "what others may hold stays, without her name");
    admin.delete(&format!("/users/{}", ada.id)).await.problem(404, "user_not_found");

    let again = named(&app, "ada@example.com", "Ada").await;
    assert_ne!(again.id, ada.id);
    assert!(again.get("/subscriptions").await.data().is_empty());
}
