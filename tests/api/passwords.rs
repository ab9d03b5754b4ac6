//! Which passwords are taken, and how their hashes keep up with the settings.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, app::USER_PASSWORD, places::Places};

async fn registered(app: &TestApp, email: &str, password: &str, name: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "name": name });
    app.client.post("/auth/register", &body).await
}

#[tokio::test]
async fn what_is_guessed_first_is_refused() {
    let app = TestApp::start().await;
    for (password, code) in [
        ("password", "too_common"),
        ("QwertyUiop", "too_common"),
        ("Password1!", "too_common"),
        ("watchme-2026", "too_common"),
        ("Ada.Lovelace@example.com", "personal"),
        ("ada-lovelace", "personal"),
        ("Countess Ada", "personal"),
    ] {
        let answer = registered(&app, "ada.lovelace@example.com", password, "Countess Ada").await;
        let problem = answer.invalid("password");
        assert_eq!(problem["errors"][0]["code"], code, "{password}: {problem}");
    }
    // No rules on the kinds of characters, nothing trimmed, nothing cut off.
    for (number, password) in
        ["correct horse", "        ", " blank ends ", "ÀÉÎÕÜŶẀŻ", &"🦀".repeat(128)]
            .iter()
            .enumerate()
    {
        let email = format!("free{number}@example.com");
        registered(&app, &email, password, "Ada").await.expect(201);
        app.client.login(&email, password).await;
        let other = json!({ "email": email, "password": format!("{}x", password.trim()) });
        let refused = app.client.post("/auth/login", &other).await;
        assert!(matches!(refused.status, 401 | 422), "{password}: {}", refused.text());
    }
}

async fn hash(app: &TestApp, email: &str) -> String {
    let sql = Places::of(app).await.sql;
    let query = sqlx::query_scalar("SELECT password_hash FROM users WHERE email = ?");
    query.bind(email.to_owned()).fetch_one(&sql).await.unwrap()
}

#[tokio::test]
async fn a_login_renews_a_hash_of_other_settings() {
    const EMAIL: &str = "ada@example.com";
    let app = TestApp::start_with(&[("WATCHME_PASSWORD_MEMORY", "1024")]).await;
    registered(&app, EMAIL, USER_PASSWORD, "Ada").await.expect(201);
    let old = hash(&app, EMAIL).await;
    assert!(old.starts_with("$argon2id$v=19$m=1024,t=2,p=1$"), "{old}");
    app.client.login(EMAIL, USER_PASSWORD).await;
    assert_eq!(hash(&app, EMAIL).await, old, "there is nothing to renew");

    let settings = [("WATCHME_PASSWORD_MEMORY", "2048"), ("WATCHME_PASSWORD_PASSES", "1")];
    let app = app.restart_with(&settings).await;
    let wrong = json!({ "email": EMAIL, "password": "not the password" });
    app.client.post("/auth/login", &wrong).await.problem(401, "invalid_credentials");
    assert_eq!(hash(&app, EMAIL).await, old);
    let user = app.client.login(EMAIL, USER_PASSWORD).await;
    let new = hash(&app, EMAIL).await;
    assert!(new.starts_with("$argon2id$v=19$m=2048,t=1,p=1$"), "{new}");
    app.client.login(EMAIL, USER_PASSWORD).await;
    assert_eq!(hash(&app, EMAIL).await, new);
    // It is the same password: nothing has changed for anybody.
    let me: Value = user.get("/users/me").await.expect(200);
    assert_eq!(me["createdAt"], me["updatedAt"]);
}
