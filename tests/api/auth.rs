//! Making an account, signing in, and what ends that.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, app::USER_PASSWORD};

const SECRET: &str = "a secret that only this test knows, 0123456789";

fn account(email: &str) -> Value {
    json!({ "email": email, "password": USER_PASSWORD, "name": "Ada" })
}

#[tokio::test]
async fn a_new_account_is_a_user_and_can_sign_in() {
    let app = TestApp::start().await;
    let made = app.client.post("/auth/register", &account("Ada@Example.com")).await;
    let user = made.expect(201);
    let id = user["id"].as_str().unwrap();
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
    assert_eq!(made.header("location"), format!("/api/v1/users/{id}"));
    for (field, value) in
        [("email", "ada@example.com"), ("name", "Ada"), ("role", "user"), ("status", "active")]
    {
        assert_eq!(user[field], value, "{user}");
    }
    for field in ["createdAt", "updatedAt"] {
        assert!(user[field].as_str().unwrap().ends_with('Z'), "{field} is in UTC: {user}");
    }
    assert!(!made.text().to_lowercase().contains("password"), "{user}");

    let body = json!({ "email": "ADA@example.com", "password": USER_PASSWORD });
    let answer = app.client.post("/auth/login", &body).await;
    let tokens = answer.expect(200);
    assert_eq!(tokens["tokenType"], "Bearer");
    assert!(tokens["expiresIn"].as_u64().unwrap() > 0);
    assert_eq!(answer.header("cache-control"), "no-store");
    let ada = app.client.login("ada@example.com", USER_PASSWORD).await;
    assert_eq!(ada.get("/users/me").await.expect(200), user);
}

#[tokio::test]
async fn an_address_belongs_to_one_account_whatever_its_case() {
    let app = TestApp::start().await;
    app.client.post("/auth/register", &account("ada@example.com")).await.expect(201);
    for email in ["ada@example.com", "ADA@EXAMPLE.COM"] {
        let answer = app.client.post("/auth/register", &account(email)).await;
        answer.problem(409, "email_taken");
    }
}

#[tokio::test]
async fn eight_registrations_of_one_address_make_one_account() {
    let app = TestApp::start().await;
    let body = account("ada@example.com");
    let all = (0..8).map(|_| app.client.post("/auth/register", &body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "email_taken");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_named_all_at_once() {
    let app = TestApp::start().await;
    for (field, wrong) in [
        ("email", json!("")),
        ("email", json!("ada")),
        ("email", json!("ada@")),
        ("email", json!("@example.com")),
        ("email", json!("a b@example.com")),
        ("email", json!(format!("{}@example.com", "a".repeat(300)))),
        ("password", json!("1234567")),
        ("password", json!("x".repeat(129))),
        ("name", json!("  ")),
        ("name", json!("x".repeat(101))),
        ("name", json!(1)),
        ("email", Value::Null),
    ] {
        let mut body = account("ada@example.com");
        body[field] = wrong;
        app.client.post("/auth/register", &body).await.invalid(field);
    }
    let body = json!({ "email": "no", "password": "no", "name": "" });
    let answer = app.client.post("/auth/register", &body).await;
    for field in ["email", "password", "name"] {
        answer.invalid(field);
    }
    let mut body = account("ada@example.com");
    body["role"] = json!("admin");
    app.client.post("/auth/register", &body).await.invalid("role");
    for field in ["email", "password", "name"] {
        let mut body = account("ada@example.com");
        body.as_object_mut().unwrap().remove(field);
        app.client.post("/auth/register", &body).await.invalid(field);
    }
}

#[tokio::test]
async fn a_failed_login_does_not_tell_what_was_wrong() {
    let app = TestApp::start().await;
    app.client.post("/auth/register", &account("ada@example.com")).await.expect(201);
    let mut problems = Vec::new();
    for (email, password) in
        [("ada@example.com", "another password"), ("nobody@example.com", USER_PASSWORD)]
    {
        let body = json!({ "email": email, "password": password });
        let answer = app.client.post("/auth/login", &body).await;
        let mut problem = answer.problem(401, "invalid_credentials");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        problem.as_object_mut().unwrap().remove("instance");
        problems.push(problem);
    }
    assert_eq!(problems[0], problems[1]);
}

#[tokio::test]
async fn without_a_token_that_counts_nothing_but_the_public_routes_answers() {
    let app = TestApp::start().await;
    let refused = app.client.get("/users/me").await;
    refused.problem(401, "unauthenticated");
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    for header in ["", "Bearer", "Basic YWRhOnBhc3M=", "Token abc"] {
        let answer = app.client.get_with("/users/me", &[("authorization", header)]).await;
        assert_eq!(answer.status, 401, "{header}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let long = "a".repeat(5000);
    for token in ["x", "a.b.c", "...", "", long.as_str()] {
        let header = format!("Bearer {token}");
        let answer = app.client.get_with("/users/me", &[("authorization", &header)]).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let user = app.user().await;
    let token = user.token.clone().unwrap();
    let lower = [("authorization", &*format!("bearer {token}"))];
    app.client.get_with("/users/me", &lower).await.expect(200);
    let query = app.client.get(&format!("/users/me?access_token={token}")).await;
    assert_eq!(query.status, 401, "a token in the address does not count");
    for public in ["//livez", "//readyz", "//health", "//metrics", "//api/openapi.json"] {
        assert!(app.client.get(public).await.status < 300, "{public}");
    }
}

#[tokio::test]
async fn a_token_of_the_previous_secret_counts_until_that_is_gone() {
    let app = TestApp::start_with(&[("JWT_SECRET", SECRET)]).await;
    let old = app.admin().await.token.unwrap();
    let app = app
        .restart_with(&[
            ("JWT_SECRET", "the new secret, also longer than thirty-two"),
            ("JWT_SECRET_PREVIOUS", SECRET),
        ])
        .await;
    app.client.with_token(&old).get("/users/me").await.expect(200);
    let new = app.admin().await.token.unwrap();
    let app = app.restart_with(&[("JWT_SECRET", SECRET)]).await;
    app.client.with_token(&new).get("/users/me").await.problem(401, "invalid_token");
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let app = app.restart().await;
    user.at(&app.client).get("/users/me").await.expect(200);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_back_when_enabled() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let email = user.get("/users/me").await.expect(200)["email"].as_str().unwrap().to_owned();
    let path = format!("/admin/users/{}", user.id);
    let changed = admin.patch(&path, &json!({ "status": "disabled" })).await.expect(200);
    assert_eq!(changed["status"], "disabled");
    let answer = user.get("/users/me").await;
    answer.problem(401, "account_inactive");
    assert!(answer.header("www-authenticate").contains("invalid_token"));
    let login = |password: &str| json!({ "email": email, "password": password });
    let answer = app.client.post("/auth/login", &login(USER_PASSWORD)).await;
    answer.problem(403, "account_disabled");
    let answer = app.client.post("/auth/login", &login("another password")).await;
    answer.problem(401, "invalid_credentials");

    admin.patch(&path, &json!({ "status": "active" })).await.expect(200);
    user.get("/users/me").await.problem(401, "session_ended");
    app.client.login(&email, USER_PASSWORD).await;
}

#[tokio::test]
async fn a_deleted_account_is_out_at_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let email = user.get("/users/me").await.expect(200)["email"].as_str().unwrap().to_owned();
    user.delete(&format!("/users/{}", user.id)).await.expect(204);
    user.get("/users/me").await.problem(401, "account_inactive");
    user.post("/subscriptions", &json!({})).await.problem(401, "account_inactive");
    let body = json!({ "email": email, "password": USER_PASSWORD });
    app.client.post("/auth/login", &body).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn an_address_is_free_again_after_its_account_was_deleted() {
    let app = TestApp::start().await;
    let key = [("idempotency-key", "key-1")];
    let body = account("ada@example.com");
    let first = app.client.post_with("/auth/register", &key, &body).await.expect(201);
    let ada = app.client.login("ada@example.com", USER_PASSWORD).await;
    ada.delete(&format!("/users/{}", ada.id)).await.expect(204);
    // Not the answer of the account that is gone: nothing of it is left.
    let second = app.client.post_with("/auth/register", &key, &body).await.expect(201);
    assert_ne!(second["id"], first["id"]);
    let again = app.client.login("ada@example.com", USER_PASSWORD).await;
    assert_eq!(second["id"], again.id);
    ada.get("/users/me").await.problem(401, "account_inactive");
}
