//! `Idempotency-Key` on the POSTs that create.

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, app::USER_PASSWORD};

/// A POST that creates, and how many of its things there are.
struct Creation {
    who: Client,
    path: String,
    body: Value,
    other: Value,
    /// A list whose `totalItems` counts them.
    count: (Client, String),
}

impl Creation {
    async fn send(&self, key: &str) -> Answer {
        self.who.post_with(&self.path, &[("idempotency-key", key)], &self.body).await
    }

    async fn count(&self) -> u64 {
        let (who, path) = &self.count;
        who.get(path).await.expect(200)["pagination"]["totalItems"].as_u64().unwrap()
    }
}

fn account(email: &str) -> Value {
    json!({ "email": email, "password": USER_PASSWORD, "name": "Ada" })
}

async fn creations(app: &TestApp) -> Vec<Creation> {
    let (admin, user, other) = (app.admin().await, app.user().await, app.user().await);
    let one = admin.make_package("One", &[18]).await;
    let two = admin.make_package("Two", &[18]).await;
    let for_other = format!("/users/{}/subscriptions", other.id);
    vec![
        Creation {
            who: app.client.clone(),
            path: "/auth/register".to_owned(),
            body: account("new@example.com"),
            other: json!({ "email": "new@example.com", "password": USER_PASSWORD, "name": "Bob" }),
            count: (admin.clone(), "/users".to_owned()),
        },
        Creation {
            who: admin.clone(),
            path: "/packages".to_owned(),
            body: json!({ "name": "New", "genreIds": [18] }),
            other: json!({ "name": "New", "genreIds": [28] }),
            count: (admin.clone(), "/packages".to_owned()),
        },
        Creation {
            who: user.clone(),
            path: "/subscriptions".to_owned(),
            body: json!({ "packageId": one }),
            other: json!({ "packageId": two }),
            count: (user, "/subscriptions".to_owned()),
        },
        Creation {
            who: admin.clone(),
            path: for_other.clone(),
            body: json!({ "packageId": one }),
            other: json!({ "packageId": two }),
            count: (admin, for_other),
        },
    ]
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let app = TestApp::start().await;
    for creation in creations(&app).await {
        let before = creation.count().await;
        let first = creation.send("key-1").await;
        let second = creation.send("key-1").await;
        assert_eq!(first.expect(201), second.expect(201), "{}", creation.path);
        assert_eq!(first.header("location"), second.header("location"));
        assert_eq!(creation.count().await, before + 1, "{}", creation.path);
        // The same, with its fields in another order and in another layout.
        let headers = [("content-type", "application/json"), ("idempotency-key", "key-1")];
        let fields: Vec<_> = creation.body.as_object().unwrap().iter().rev().collect();
        let fields: Vec<_> = fields.iter().map(|(k, v)| format!("\n \"{k}\" :  {v}")).collect();
        let text = format!("{{{}}}", fields.join(","));
        let third = creation
            .who
            .send(reqwest::Method::POST, &creation.path, &headers, Some(text.into_bytes()))
            .await
            .unwrap();
        assert_eq!(third.expect(201), first.json(), "{}", creation.path);
        // Without a key it is a second request.
        let other = creation.who.post(&creation.path, &creation.body).await;
        assert_eq!(other.status, 409, "{}", creation.path);
    }
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let app = TestApp::start().await;
    for creation in creations(&app).await {
        let first = creation.send("key-1").await.expect(201);
        let before = creation.count().await;
        let key = [("idempotency-key", "key-1")];
        let other = creation.who.post_with(&creation.path, &key, &creation.other).await;
        other.problem(422, "idempotency_key_reused");
        assert_eq!(creation.count().await, before, "{}", creation.path);
        assert_eq!(creation.send("key-1").await.expect(201), first);
    }
}

#[tokio::test]
async fn eight_at_once_have_one_effect_and_one_answer() {
    let app = TestApp::start().await;
    for creation in creations(&app).await {
        let before = creation.count().await;
        let all = (0..8).map(|_| creation.send("key-1"));
        let answers = futures_util::future::join_all(all).await;
        let first = answers[0].expect(201);
        for answer in &answers {
            assert_eq!(answer.expect(201), first, "{}", creation.path);
        }
        assert_eq!(creation.count().await, before + 1, "{}", creation.path);
    }
}

#[tokio::test]
async fn an_answer_is_kept_as_it_was() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let key = [("idempotency-key", "key-1")];
    let body = json!({ "name": "One", "genreIds": [18] });
    let made = admin.post_with("/packages", &key, &body).await.expect(201);
    let path = format!("/packages/{}", made["id"].as_str().unwrap());
    let edit = json!({ "name": "Two", "genreIds": [28] });
    admin.put_with(&path, &[("if-match", "\"1\"")], &edit).await.expect(200);
    assert_eq!(admin.post_with("/packages", &key, &body).await.expect(201), made);

    let body = json!({ "packageId": made["id"] });
    let held = user.post_with("/subscriptions", &key, &body).await.expect(201);
    let path = format!("/subscriptions/{}", held["id"].as_str().unwrap());
    user.delete(&path).await.expect(204);
    assert_eq!(user.post_with("/subscriptions", &key, &body).await.expect(201), held);
    let mine = user.get("/subscriptions").await.data();
    assert_eq!(mine.len(), 1, "the repeated request did not subscribe again: {mine:?}");

    let app = app.restart().await;
    let user = user.at(&app.client);
    assert_eq!(user.post_with("/subscriptions", &key, &body).await.expect(201), held);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let key = [("idempotency-key", "key-1")];
    let blocking = admin.make_package("New", &[18]).await;
    let body = json!({ "name": "New", "genreIds": [18] });
    admin.post_with("/packages", &key, &body).await.problem(409, "package_name_taken");
    let wrong = json!({ "name": "", "genreIds": [18] });
    admin.post_with("/packages", &key, &wrong).await.invalid("name");
    admin.delete(&format!("/packages/{blocking}")).await.expect(204);
    admin.post_with("/packages", &key, &body).await.expect(201);

    let user = app.user().await;
    let archived = json!({ "packageId": blocking });
    let answer = user.post_with("/subscriptions", &key, &archived).await;
    answer.problem(409, "package_archived");
    let good = json!({ "packageId": user.package("Arthouse").await });
    user.post_with("/subscriptions", &key, &good).await.expect(201);
}

#[tokio::test]
async fn keys_belong_to_their_caller_and_route() {
    let app = TestApp::start().await;
    let (ada, bob, admin) = (app.user().await, app.user().await, app.admin().await);
    let key = [("idempotency-key", "key-1")];
    let body = json!({ "packageId": ada.package("Arthouse").await });
    let of_ada = ada.post_with("/subscriptions", &key, &body).await.expect(201);
    let of_bob = bob.post_with("/subscriptions", &key, &body).await.expect(201);
    assert_eq!((&of_ada["userId"], &of_bob["userId"]), (&json!(ada.id), &json!(bob.id)));
    let of_admin = admin.post_with("/subscriptions", &key, &body).await.expect(201);
    assert_ne!(of_admin["id"], of_ada["id"]);
    let package = json!({ "name": "New", "genreIds": [18] });
    admin.post_with("/packages", &key, &package).await.expect(201);
    // The same body for another user is another request.
    let carol = app.user().await;
    let dora = app.user().await;
    let of = |who: &Client| format!("/users/{}/subscriptions", who.id);
    admin.post_with(&of(&carol), &key, &body).await.expect(201);
    let answer = admin.post_with(&of(&dora), &key, &body).await;
    answer.problem(422, "idempotency_key_reused");
    // Who may not even ask learns nothing from a key.
    app.client.post_with("/subscriptions", &key, &body).await.problem(401, "unauthenticated");
    ada.post_with("/packages", &key, &package).await.problem(403, "admin_only");
}

#[tokio::test]
async fn a_key_is_visible_text_of_bounded_length() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({ "packageId": user.package("Arthouse").await });
    let long = "k".repeat(201);
    for key in ["", "a b", long.as_str()] {
        let answer = user.post_with("/subscriptions", &[("idempotency-key", key)], &body).await;
        answer.problem(400, "invalid_header");
    }
    let longest = "k".repeat(200);
    user.post_with("/subscriptions", &[("idempotency-key", &longest)], &body).await.expect(201);
}

#[tokio::test]
async fn a_repeated_request_gets_its_answer_though_the_world_has_gone_on() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let package = admin.make_package("Short", &[18]).await;
    let path = format!("/users/{}/subscriptions", user.id);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(400);
    let body = json!({ "packageId": package, "endsAt": soon.to_string() });
    let key = [("idempotency-key", "once")];
    let first = admin.post_with(&path, &key, &body).await.expect(201);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    admin.post(&path, &body).await.invalid("endsAt");
    let again = admin.post_with(&path, &key, &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201), first);
}

#[tokio::test]
async fn strangers_with_the_same_key_do_not_meet() {
    let app = TestApp::start().await;
    let key = [("idempotency-key", "1")];
    for email in ["one@example.com", "two@example.com"] {
        app.client.post_with("/auth/register", &key, &account(email)).await.expect(201);
    }
}

#[tokio::test]
async fn a_key_outlives_a_change_of_the_signing_secret() {
    let (old, new) =
        ("the old secret, of more than 32 bytes", "the new secret, of more than 32 bytes");
    let mut app = TestApp::start_with(&[("JWT_SECRET", old)]).await;
    let user = app.user().await;
    let id = app.admin().await.make_package("One", &[18]).await;
    let key = [("idempotency-key", "once")];
    let body = json!({ "packageId": id });
    let first = user.post_with("/subscriptions", &key, &body).await.expect(201);
    app = app.restart_with(&[("JWT_SECRET", new), ("JWT_SECRET_PREVIOUS", old)]).await;
    let user = user.at(&app.client);
    assert_eq!(user.post_with("/subscriptions", &key, &body).await.expect(201), first);
}
