//! What is logged: JSON lines that carry the request's id, and no secret whatever the level.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{collections::HashMap, fs, time::Duration};

use serde_json::{Value, json};
use support::{
    Client,
    process::{Process, free_address, ready},
    tmdb_double::{TmdbDouble, V3_KEY},
};
use tempfile::TempDir;

const PASSWORD: &str = "canary-password-7391";
const WRONG: &str = "canary-wrong-password-5512";
const JWT_SECRET: &str = "canary-jwt-secret-0123456789abcdef";
const ADMIN: &str = "canary-admin-password-8840";

#[tokio::test]
async fn requests_are_logged_with_their_id_and_no_secret_is_at_any_level() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let address = free_address();
    let double = TmdbDouble::start().await;
    let url = double.url().to_string();
    let settings = [
        ("RUST_LOG", "trace"),
        ("WATCHME_LOG_FORMAT", "json"),
        ("JWT_SECRET", JWT_SECRET),
        ("WATCHME_ADMIN_PASSWORD", ADMIN),
        ("WATCHME_CATALOGUE_PAGES", "1"),
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", url.trim_end_matches('/')),
    ];
    let process = Process::start_logging(&folder.path().join("data"), &address, &settings, &log);
    ready(&address, Duration::from_secs(30)).await;
    let client = Client::new(format!("http://{address}"));
    let account = json!({ "email": "canary@example.com", "password": PASSWORD, "name": "Canary" });
    client.post("/auth/register", &account).await.expect(201);
    client.login("admin@watchme.example", ADMIN).await;
    let user = client.login("canary@example.com", PASSWORD).await;
    let wrong = json!({ "email": "canary@example.com", "password": WRONG });
    client.post("/auth/login", &wrong).await.expect(401);
    client.post("/auth/register", &json!({ "password": WRONG, "email": 1 })).await;
    let forged = format!("{}x", user.token.clone().unwrap());
    let mut stranger = user.clone();
    stranger.token = Some(forged.clone());
    stranger.get("/users/me").await.expect(401);
    let id = "the-request-that-we-look-for";
    user.get_with("/packages?name=canary-query-2291", &[("x-request-id", id)]).await.expect(200);
    user.get("/movies/424242").await;
    let (_, clean) = process.terminate();
    assert!(clean);

    let text = fs::read_to_string(&log).unwrap();
    let token = user.token.clone().unwrap();
    let secrets = HashMap::from([
        ("the password", PASSWORD),
        ("a wrong password", WRONG),
        ("the admin's password", ADMIN),
        ("the signing secret", JWT_SECRET),
        ("the access token", token.as_str()),
        ("a forged token", forged.as_str()),
        ("TMDb's key", V3_KEY),
        ("a query", "canary-query-2291"),
        ("a password hash", "$argon2id$"),
    ]);
    for (what, secret) in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{what} is in the log: {}", line.unwrap_or_default());
    }

    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let ours = |line: &&Value| line.to_string().contains(id);
    let lines: Vec<&Value> = lines.iter().filter(ours).collect();
    assert!(!lines.is_empty(), "the request's id is in the log");
    let shown = lines.iter().map(ToString::to_string).collect::<String>();
    assert!(shown.contains("/api/v1/packages") && shown.contains("200"), "{shown}");
}
