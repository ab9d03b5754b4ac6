//! Staying signed in, and everything that ends it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::Row;

use crate::support::{Answer, Client, TestApp, app::USER_PASSWORD, places::Places};

const NEW_PASSWORD: &str = "an altogether different one";

/// Somebody signed in, with the refresh token.
struct Holder {
    client: Client,
    refresh_token: String,
}

impl Holder {
    fn of(client: &Client, tokens: &Value) -> Self {
        let text = |name: &str| tokens[name].as_str().expect(name).to_owned();
        Self {
            client: client.with_token(&text("accessToken")),
            refresh_token: text("refreshToken"),
        }
    }

    async fn me(&self) -> Answer {
        self.client.get("/users/me").await
    }

    async fn refresh(&self) -> Answer {
        let body = json!({ "refreshToken": self.refresh_token });
        self.client.nobody().post("/auth/refresh", &body).await
    }

    /// The same holder with the next tokens.
    async fn refreshed(&self) -> Self {
        Self::of(&self.client, &self.refresh().await.expect(200))
    }

    async fn sessions(&self) -> Vec<Value> {
        self.client.get("/auth/sessions?pageSize=100").await.data()
    }

    /// The id of its own session.
    async fn id(&self) -> String {
        let sessions = self.sessions().await;
        let current: Vec<_> = sessions.iter().filter(|it| it["current"] == true).collect();
        assert_eq!(current.len(), 1, "{sessions:?}");
        current[0]["id"].as_str().unwrap().to_owned()
    }
}

async fn register(app: &TestApp, email: &str) {
    let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Ada" });
    app.client.post("/auth/register", &body).await.expect(201);
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Holder {
    let body = json!({ "email": email, "password": password });
    let agent = [("user-agent", "Tablet/1.0")];
    let answer = app.client.post_with("/auth/login", &agent, &body).await;
    Holder::of(&app.client, &answer.expect(200))
}

/// A new user, signed in.
async fn ada(app: &TestApp) -> Holder {
    register(app, "ada@example.com").await;
    sign_in(app, "ada@example.com", USER_PASSWORD).await
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next() {
    let app = TestApp::start().await;
    let first = ada(&app).await;
    let answer = first.refresh().await;
    let tokens = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!((&tokens["tokenType"], &tokens["expiresIn"]), (&json!("Bearer"), &json!(900)));
    let second = Holder::of(&app.client, &tokens);
    assert_ne!(second.refresh_token, first.refresh_token);
    first.me().await.expect(200);
    second.me().await.expect(200);
    assert_eq!(second.id().await, first.id().await);
    let third = second.refreshed().await;
    assert_eq!(third.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_had_again_and_no_copy_of_it_is_kept() {
    let app = TestApp::start().await;
    let first = ada(&app).await;
    let second = first.refreshed().await;
    for _ in 0..2 {
        assert_eq!(first.refreshed().await.refresh_token, second.refresh_token);
    }
    let stores = Places::of(&app).await;
    for token in [&first.refresh_token, &second.refresh_token] {
        assert_eq!(stores.in_sql(token).await, [""; 0]);
        // Nor the secret in it alone.
        assert_eq!(stores.in_sql(&token[22..64]).await, [""; 0]);
    }
    second.refreshed().await.me().await.expect(200);
}

#[tokio::test]
async fn fifty_refreshes_at_once_get_one_answer() {
    let app = TestApp::start().await;
    let holder = ada(&app).await;
    let answers = join_all((0..50).map(|_| holder.refreshed())).await;
    assert!(answers.iter().all(|it| it.refresh_token == answers[0].refresh_token));
    for next in &answers[..3] {
        next.me().await.expect(200);
    }
    assert_eq!(holder.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_its_session_alone() {
    let app = TestApp::start_with(&[("WATCHME_REFRESH_GRACE", "0s")]).await;
    let stolen = ada(&app).await;
    let elsewhere = sign_in(&app, "ada@example.com", USER_PASSWORD).await;
    let next = stolen.refreshed().await;
    stolen.refresh().await.problem(401, "invalid_refresh_token");
    next.me().await.problem(401, "session_ended");
    stolen.me().await.problem(401, "session_ended");
    next.refresh().await.problem(401, "invalid_refresh_token");
    elsewhere.me().await.expect(200);
    assert_eq!(elsewhere.sessions().await.len(), 1);
}

#[tokio::test]
async fn what_is_no_refresh_token_of_ours_ends_nothing() {
    let app = TestApp::start().await;
    let holder = ada(&app).await;
    let genuine = &holder.refresh_token;
    let guess = format!("{}{}", &genuine[..22], "A".repeat(64));
    let other = if &genuine[40..41] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &genuine[..40], &genuine[41..]);
    for token in [guess.as_str(), &changed, "x", &genuine[1..], &format!("{genuine}=")] {
        let answer = app.client.post("/auth/refresh", &json!({ "refreshToken": token })).await;
        answer.problem(401, "invalid_refresh_token");
    }
    for body in [json!({}), json!({ "refreshToken": 1 })] {
        app.client.post("/auth/refresh", &body).await.invalid("refreshToken");
    }
    holder.me().await.expect(200);
    holder.refreshed().await;
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_expires() {
    let app = TestApp::start_with(&[("WATCHME_SESSION_IDLE", "1s")]).await;
    let idle = ada(&app).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    idle.refresh().await.problem(401, "invalid_refresh_token");
    let other = sign_in(&app, "ada@example.com", USER_PASSWORD).await;
    assert_eq!(other.sessions().await.len(), 1);
    // The gate remembers for two seconds that it lived.
    let gone = async {
        while idle.me().await.status == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), gone).await.expect("it ends");
    idle.me().await.problem(401, "session_ended");
}

#[tokio::test]
async fn signing_out_ends_this_session_at_once_and_no_other() {
    let app = TestApp::start().await;
    let (here, there) = (ada(&app).await, sign_in(&app, "ada@example.com", USER_PASSWORD).await);
    let next = here.refreshed().await;
    here.client.post("/auth/logout", &json!({})).await.expect(204);
    for holder in [&here, &next] {
        holder.me().await.problem(401, "session_ended");
        holder.refresh().await.problem(401, "invalid_refresh_token");
    }
    here.client.post("/auth/logout", &json!({})).await.problem(401, "session_ended");
    there.me().await.expect(200);
}

#[tokio::test]
async fn ones_sessions_are_listed_and_ended_and_nobody_elses() {
    let app = TestApp::start().await;
    let first = ada(&app).await;
    let second = sign_in(&app, "ada@example.com", USER_PASSWORD).await;
    let (first_id, second_id) = (first.id().await, second.id().await);
    let listed = second.sessions().await;
    assert_eq!(listed.len(), 2);
    let (newest, oldest) = (&listed[0], &listed[1]);
    assert_eq!((&newest["id"], &newest["current"]), (&json!(second_id), &json!(true)));
    assert_eq!((&oldest["id"], &oldest["current"]), (&json!(first_id), &json!(false)));
    assert_eq!(newest["userAgent"], "Tablet/1.0");
    assert_eq!(newest["address"], "127.0.0.1");
    assert_eq!(newest["createdAt"], newest["lastUsedAt"]);
    assert!(newest["expiresAt"].as_str() > newest["createdAt"].as_str());
    let page = second.client.get("/auth/sessions?pageNumber=2&pageSize=1").await.expect(200);
    assert_eq!(
        (page["data"][0]["id"].as_str(), page["pagination"]["totalItems"].as_u64()),
        (Some(first_id.as_str()), Some(2))
    );

    let path = format!("/auth/sessions/{first_id}");
    let stranger = app.user().await;
    stranger.delete(&path).await.problem(404, "session_not_found");
    app.admin().await.delete(&path).await.problem(404, "session_not_found");
    second.client.delete("/auth/sessions/7").await.problem(404, "session_not_found");
    first.me().await.expect(200);
    second.client.delete(&path).await.expect(204);
    first.me().await.problem(401, "session_ended");
    first.refresh().await.problem(401, "invalid_refresh_token");
    second.client.delete(&path).await.problem(404, "session_not_found");
    second.client.delete(&format!("/auth/sessions/{second_id}")).await.expect(204);
    second.me().await.problem(401, "session_ended");
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_kept_in_a_line() {
    let app = TestApp::start().await;
    register(&app, "ada@example.com").await;
    let body = json!({ "email": "ada@example.com", "password": USER_PASSWORD });
    let long = "x".repeat(1_000);
    for (sent, kept) in [
        (long.as_str(), json!("x".repeat(200))),
        ("a\tb <script>", json!("ab <script>")),
        ("", Value::Null),
    ] {
        let answer = app.client.post_with("/auth/login", &[("user-agent", sent)], &body).await;
        let holder = Holder::of(&app.client, &answer.expect(200));
        assert_eq!(holder.sessions().await[0]["userAgent"], kept);
    }
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session() {
    let app = TestApp::start().await;
    let (here, there) = (ada(&app).await, sign_in(&app, "ada@example.com", USER_PASSWORD).await);
    let change = json!({ "currentPassword": USER_PASSWORD, "newPassword": NEW_PASSWORD });
    here.client.put("/auth/password", &change).await.expect(204);
    here.me().await.expect(200);
    here.refreshed().await;
    there.me().await.problem(401, "session_ended");
    there.refresh().await.problem(401, "invalid_refresh_token");
    let old = json!({ "email": "ada@example.com", "password": USER_PASSWORD });
    app.client.post("/auth/login", &old).await.problem(401, "invalid_credentials");
    sign_in(&app, "ada@example.com", NEW_PASSWORD).await;
}

#[tokio::test]
async fn of_two_changes_at_once_the_second_does_not_know_the_password() {
    let app = TestApp::start().await;
    let holder = ada(&app).await;
    let changes = ["the first different one", NEW_PASSWORD].map(|new| {
        let body = json!({ "currentPassword": USER_PASSWORD, "newPassword": new });
        let client = &holder.client;
        async move { client.put("/auth/password", &body).await.status }
    });
    let mut outcomes = join_all(changes).await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [204, 403]);
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_to_one_that_is_allowed() {
    let app = TestApp::start().await;
    let holder = ada(&app).await;
    let change = async |current: &str, new: &str| {
        let body = json!({ "currentPassword": current, "newPassword": new });
        holder.client.put("/auth/password", &body).await
    };
    change("not the password", NEW_PASSWORD).await.problem(403, "wrong_password");
    change(USER_PASSWORD, "short").await.invalid("newPassword");
    change(USER_PASSWORD, &"x".repeat(129)).await.invalid("newPassword");
    change("", NEW_PASSWORD).await.invalid("currentPassword");
    change(&"x".repeat(129), NEW_PASSWORD).await.invalid("currentPassword");
    let answer = app.client.put("/auth/password", &json!({})).await;
    answer.problem(401, "unauthenticated");
    sign_in(&app, "ada@example.com", USER_PASSWORD).await;
}

#[tokio::test]
async fn a_session_lives_on_with_the_secret_before_and_ends_with_a_change_to_another() {
    let secret = |n: u8| format!("secret number {n}, which is long enough for it");
    let (one, two, three) = (secret(1), secret(2), secret(3));
    let at = |app: &TestApp, holder: &Holder| Holder {
        client: holder.client.at(&app.client),
        refresh_token: holder.refresh_token.clone(),
    };
    let app = TestApp::start_with(&[("JWT_SECRET", one.as_str())]).await;
    let (kept, left) = (ada(&app).await, sign_in(&app, "ada@example.com", USER_PASSWORD).await);
    let settings = [("JWT_SECRET", two.as_str()), ("JWT_SECRET_PREVIOUS", one.as_str())];
    let app = app.restart_with(&settings).await;
    at(&app, &kept).me().await.expect(200);
    let kept = at(&app, &kept).refreshed().await;

    let settings = [("JWT_SECRET", three.as_str()), ("JWT_SECRET_PREVIOUS", two.as_str())];
    let app = app.restart_with(&settings).await;
    at(&app, &left).refresh().await.problem(401, "invalid_refresh_token");
    let kept = at(&app, &kept).refreshed().await;

    // Nobody who knew the secret has a way in.
    let app = app.restart_with(&[("JWT_SECRET", one.as_str())]).await;
    at(&app, &kept).me().await.problem(401, "invalid_token");
    at(&app, &kept).refresh().await.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn the_log_tells_who_signed_in_and_out_from_where() {
    let app = TestApp::start().await;
    let holder = ada(&app).await;
    let (user, session) = (holder.me().await.expect(200)["id"].clone(), holder.id().await);
    holder.client.post("/auth/logout", &json!({})).await.expect(204);
    let rows = sqlx::query(
        "SELECT action, actor_id, address, origin, subject_kind FROM audit_log
         WHERE subject_id = ? ORDER BY id",
    )
    .bind(session)
    .fetch_all(&Places::of(&app).await.sql)
    .await
    .unwrap();
    let actions: Vec<String> = rows.iter().map(|row| row.get("action")).collect();
    assert_eq!(actions, ["session.started", "session.ended"]);
    for row in &rows {
        assert_eq!(row.get::<String, _>("actor_id"), user);
        assert_eq!(row.get::<String, _>("address"), "127.0.0.1");
        assert_eq!(row.get::<String, _>("origin"), "request");
        assert_eq!(row.get::<String, _>("subject_kind"), "session");
    }
}
