//! What is logged: JSON lines that carry the ids of request and trace, and nothing of a person or a
//! secret, whatever the level; nor is it in spans, metrics, problems or on the health page.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{
    Answer, Client,
    otlp::Collector,
    process::{Process, free_address, ready},
    tmdb_double::{TmdbDouble, V3_KEY},
};
use tempfile::TempDir;

const EMAIL: &str = "canary-address-4417@example.com";
const OTHER_EMAIL: &str = "canary-address-5528@example.com";
const UNKNOWN_EMAIL: &str = "canary-address-6639@example.com";
const NAME: &str = "Canary Name 1180";
const PASSWORD: &str = "canary-password-7391";
const NEW_PASSWORD: &str = "canary-password-8402";
const WRONG: &str = "canary-wrong-password-5512";
const REFRESH: &str = "canary-refresh-token-2264";
const MAIL_TOKEN: &str = "canary-mail-token-3375";
const QUERY: &str = "canary-query-2291";
const JWT_SECRET: &str = "canary-jwt-secret-0123456789abcdef";
const ADMIN: &str = "canary-admin-password-8840";
const JSON: (&str, &str) = ("content-type", "application/json");
const COLLECTOR_KEY: &str = "canary-collector-key-6618";
const REQUEST_ID: &str = "the-request-that-we-look-for";

#[tokio::test]
async fn requests_are_logged_with_their_id_and_no_secret_is_shown_anywhere() {
    let folder = TempDir::new().unwrap();
    let (log, data) = (folder.path().join("log"), folder.path().join("data"));
    let address = free_address();
    let double = TmdbDouble::start().await;
    let url = double.url().to_string();
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let key = format!("x-api-key={COLLECTOR_KEY}");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", &key),
        ("RUST_LOG", "trace"),
        ("WATCHME_LOG_FORMAT", "json"),
        ("JWT_SECRET", JWT_SECRET),
        ("WATCHME_ADMIN_PASSWORD", ADMIN),
        ("WATCHME_CATALOGUE_PAGES", "1"),
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", url.trim_end_matches('/')),
    ];
    let process = Process::start_logging(&data, &address, &settings, &log);
    ready(&address, Duration::from_secs(30)).await;
    let mut canary = Canary::new(Client::new(format!("http://{address}")), data);
    canary.sign_in().await;
    canary.misuse().await;
    canary.misname().await;
    canary.recover().await;
    canary.pages().await;
    let (_, clean) = process.terminate();
    assert!(clean);

    let text = fs::read_to_string(&log).unwrap();
    canary.shown.extend(text.lines().map(str::to_owned));
    let spans = collector.spans();
    assert!(spans.iter().any(|span| span.name == "GET /api/v1/packages"), "{spans:#?}");
    canary.shown.extend(spans.iter().map(|span| format!("{span:?}")));
    assert!(!spans.iter().any(|span| format!("{span:?}").contains(&canary.user)));
    for (what, secret) in &canary.secrets {
        let place = canary.shown.iter().find(|it| it.contains(secret.as_str()));
        assert!(place.is_none(), "{what} is shown: {}", place.unwrap());
    }
    logged_with_its_id(&text);
}

fn logged_with_its_id(text: &str) {
    let parsed = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))
    };
    let lines = text.lines().map(|line| parsed(line).to_string());
    let shown: String = lines.filter(|line| line.contains(REQUEST_ID)).collect();
    assert!(shown.contains("/api/v1/packages") && shown.contains("200"), "{shown}");
    assert!(shown.contains("\"trace_id\":\"") && shown.contains("\"span_id\":\""), "{shown}");
}

/// Somebody whose secrets are sent wherever something can be sent.
struct Canary {
    client: Client,
    data: PathBuf,
    /// What nothing may show.
    secrets: Vec<(&'static str, String)>,
    /// Problems and pages that were seen.
    shown: Vec<String>,
    /// The id of an account.
    user: String,
}

impl Canary {
    fn new(client: Client, data: PathBuf) -> Self {
        let secrets = [
            ("an address", EMAIL),
            ("another address", OTHER_EMAIL),
            ("an unknown address", UNKNOWN_EMAIL),
            ("a name", NAME),
            ("a password", PASSWORD),
            ("a new password", NEW_PASSWORD),
            ("a wrong password", WRONG),
            ("a made-up refresh token", REFRESH),
            ("a made-up mail token", MAIL_TOKEN),
            ("a query", QUERY),
            ("the admin's password", ADMIN),
            ("the signing secret", JWT_SECRET),
            ("TMDb's key", V3_KEY),
            ("the collector's key", COLLECTOR_KEY),
            ("a password hash", "$argon2id$"),
        ];
        let secrets = secrets.map(|(what, secret)| (what, secret.to_owned())).to_vec();
        Self { client, data, secrets, shown: Vec::new(), user: String::new() }
    }

    /// Keeps a problem for the end: a problem shows nothing of what was sent, either.
    fn note(&mut self, answer: &Answer) {
        if answer.status >= 400 {
            self.shown.push(answer.text());
        }
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let answer = self.client.post(path, body).await;
        self.note(&answer);
        answer
    }

    /// Registers, signs in right and wrong, and goes on with the tokens.
    async fn sign_in(&mut self) {
        let account = json!({ "email": EMAIL, "password": PASSWORD, "name": NAME });
        self.post("/auth/register", &account).await.expect(201);
        self.post("/auth/register", &account).await.expect(409);
        for email in [EMAIL, UNKNOWN_EMAIL] {
            self.post("/auth/login", &json!({ "email": email, "password": WRONG }))
                .await
                .expect(401);
        }
        self.client.login("admin@watchme.example", ADMIN).await;
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        let tokens = self.post("/auth/login", &login).await.expect(200);
        self.keep_tokens(&tokens);
        let token = tokens["accessToken"].as_str().unwrap();
        let user = self.client.with_token(token);
        let id = user.get("/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
        self.user.clone_from(&id);
        for token in [&tokens["refreshToken"], &json!(REFRESH), &json!(PASSWORD)] {
            let refreshed = self.post("/auth/refresh", &json!({ "refreshToken": token })).await;
            self.keep_tokens(&refreshed.json());
        }
        let profile = json!({ "name": NAME, "email": OTHER_EMAIL });
        let answer = user.put(&format!("/users/{id}"), &profile).await;
        self.note(&answer);
        let forged = format!("{token}x");
        let stranger = self.client.with_token(&forged).get("/users/me").await;
        stranger.expect(401);
        self.note(&stranger);
        self.secrets.push(("a forged token", forged));
        let headers = [("x-request-id", REQUEST_ID)];
        user.get_with(&format!("/packages?name={QUERY}"), &headers).await.expect(200);
        user.get("/movies/424242").await;
        let change = json!({ "currentPassword": PASSWORD, "newPassword": WRONG });
        let answer = user.put("/auth/password", &change).await;
        self.note(&answer);
        let answer = user.post("/auth/logout", &json!({})).await;
        self.note(&answer);
    }

    fn keep_tokens(&mut self, tokens: &Value) {
        for (what, field) in
            [("an access token", "accessToken"), ("a refresh token", "refreshToken")]
        {
            if let Some(token) = tokens[field].as_str() {
                self.secrets.push((what, token.to_owned()));
            }
        }
    }

    /// Puts secrets where they do not belong.
    async fn misuse(&mut self) {
        let secrets: Vec<String> = self.secrets.iter().map(|(_, secret)| secret.clone()).collect();
        for secret in &secrets {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            for path in [
                format!("/users/{encoded}"),
                format!("/movies?token={encoded}"),
                format!("/users?email={encoded}"),
                format!("/{encoded}"),
                format!("//{encoded}?{encoded}={encoded}"),
            ] {
                for token in ["", secret.as_str()] {
                    let client = self.client.with_token(token);
                    let answer = client.get_with(&path, &[("cookie", secret)]).await;
                    self.note(&answer);
                }
            }
            for header in
                ["authorization", "idempotency-key", "if-match", "traceparent", "origin", "referer"]
            {
                let body = json!({ "email": 1 }).to_string().into_bytes();
                let headers = [JSON, (header, secret.as_str())];
                let answer =
                    self.client.send(Method::POST, "/auth/login", &headers, Some(body)).await;
                self.note(&answer.unwrap());
            }
            for body in [
                json!({ "password": secret, "email": 1 }).to_string(),
                json!({ "password": 1, "email": secret, "name": secret }).to_string(),
                json!({ "token": secret, "refreshToken": [secret] }).to_string(),
                json!([secret]).to_string(),
                json!(secret).to_string(),
                format!("{{\"password\":\"{secret}\""),
                format!("password={secret}"),
            ] {
                for path in
                    ["/auth/login", "/auth/register", "/auth/refresh", "/auth/password/reset"]
                {
                    let body = Some(body.clone().into_bytes());
                    let answer = self.client.send(Method::POST, path, &[JSON], body).await.unwrap();
                    self.note(&answer);
                }
            }
        }
    }

    /// Puts secrets where names belong. A problem tells its sender which name is unknown; the log
    /// does not.
    async fn misname(&mut self) {
        for (_, secret) in &self.secrets {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            self.client.get(&format!("/auth/login?{encoded}=1")).await;
            self.client.post("/auth/login", &json!({ secret: 1 })).await;
            self.client.post(&format!("/auth/login?{encoded}=1"), &json!({})).await;
        }
    }

    /// Asks for mails, and uses what they bring.
    async fn recover(&mut self) {
        for email in [EMAIL, OTHER_EMAIL, UNKNOWN_EMAIL] {
            self.post("/auth/password/forgot", &json!({ "email": email })).await;
        }
        let mut mailed = Vec::new();
        for _ in 0..20 {
            mailed = mailed_tokens(&self.data.join("mails"));
            if !mailed.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!mailed.is_empty(), "a mail with a token has come");
        let [real, ..] = &mailed[..] else { unreachable!() };
        self.secrets.push(("a token of a mail", real.clone()));
        let reset = json!({ "token": real, "password": NEW_PASSWORD });
        self.post("/auth/password/reset", &reset).await.expect(204);
        mailed.push(MAIL_TOKEN.to_owned());
        for token in mailed {
            self.secrets.push(("a token of a mail", token.clone()));
            let reset = json!({ "token": token, "password": NEW_PASSWORD });
            self.post("/auth/password/reset", &reset).await;
            self.post("/auth/password/reset", &reset).await;
            self.post("/auth/email/verify", &json!({ "token": token })).await;
        }
    }

    /// What operators and their tools read.
    async fn pages(&mut self) {
        for path in ["//metrics", "//health", "//readyz", "//api/openapi.json"] {
            self.shown.push(self.client.get(path).await.text());
        }
    }
}

/// Whatever in the mails of a folder is as long and as random as a token.
fn mailed_tokens(folder: &Path) -> Vec<String> {
    let Ok(mails) = fs::read_dir(folder) else { return Vec::new() };
    let texts = mails.filter_map(|mail| fs::read_to_string(mail.unwrap().path()).ok());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    texts
        .flat_map(|text| {
            let words = text.split(|c| !is_word(c)).filter(|word| word.len() == 43);
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
