//! A request of every operation that succeeds for whoever may.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cast::{Cast, DRAMA, FIGHT_CLUB, unique},
    policy::Rule,
    support::{Answer, Client, app::USER_PASSWORD},
};

/// What is sent, whoever sends it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// From the root, places filled.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

impl Request {
    /// About the owner and what belongs to them.
    pub(crate) async fn of(rule: &Rule, cast: &Cast) -> Self {
        let Cast { owner, admin, package, .. } = cast;
        let mut path = rule.path.to_owned();
        let mut fill = |place: &str, value: &str| path = path.replace(place, value);
        let mut headers = Vec::new();
        let mut body = None;
        match (rule.method, rule.path) {
            ("POST", "/api/v1/auth/register") => {
                let email = format!("{}@example.com", unique("new").replace(' ', "-"));
                body = Some(json!({ "email": email, "password": USER_PASSWORD, "name": "New" }));
            }
            ("POST", "/api/v1/auth/login") => {
                let me = owner.get("/users/me").await.expect(200);
                body = Some(json!({ "email": me["email"], "password": USER_PASSWORD }));
            }
            ("POST", "/api/v1/auth/refresh") => {
                body = Some(json!({ "refreshToken": refresh_token(owner).await }));
            }
            ("DELETE", "/api/v1/auth/sessions/{id}") => {
                fill("{id}", &another_session(owner).await);
            }
            ("PUT", "/api/v1/auth/password") => {
                let new = "another long pass phrase";
                body = Some(json!({ "currentPassword": USER_PASSWORD, "newPassword": new }));
            }
            ("POST", "/api/v1/auth/password/forgot") => {
                body = Some(json!({ "email": "nobody@example.com" }));
            }
            ("POST", "/api/v1/auth/password/reset") => {
                body = Some(json!({ "token": UNKNOWN_TOKEN, "password": USER_PASSWORD }));
            }
            ("POST", "/api/v1/auth/email/verify") => {
                body = Some(json!({ "token": UNKNOWN_TOKEN }));
            }
            ("PUT", "/api/v1/users/{id}") => {
                let me = owner.get("/users/me").await.expect(200);
                body = Some(json!({ "name": "Renamed", "email": me["email"] }));
            }
            ("PATCH", "/api/v1/admin/users/{id}") => {
                body = Some(json!({ "role": "user", "status": "active" }));
            }
            ("POST", "/api/v1/packages") => {
                body = Some(json!({ "name": unique("New"), "genreIds": [DRAMA] }));
            }
            ("PUT", "/api/v1/packages/{id}") => {
                let read = admin.get(&format!("/packages/{package}")).await;
                headers.push(("if-match".to_owned(), read.header("etag").to_owned()));
                body = Some(json!({ "name": unique("Edited"), "genreIds": [DRAMA] }));
            }
            ("POST", "/api/v1/subscriptions" | "/api/v1/users/{id}/subscriptions") => {
                let package = admin.make_package(&unique("Wanted"), &[DRAMA]).await;
                body = Some(json!({ "packageId": package }));
            }
            ("DELETE", "/api/v1/subscriptions/{id}") => {
                let held = owner.get("/subscriptions").await.data();
                fill("{id}", held[0]["id"].as_str().unwrap());
            }
            ("GET", "/api/v1/movies/search") => path.push_str("?query=fight"),
            ("PUT", "/api/v1/watched/{movieId}") => body = Some(json!({})),
            ("GET" | "DELETE", "/api/v1/watched/{movieId}") => mark(owner).await,
            ("POST", "/api/v1/watched/{movieId}/plays") => {
                mark(owner).await;
                body = Some(json!({}));
            }
            ("DELETE", "/api/v1/watched/{movieId}/plays/{playId}") => {
                mark(owner).await;
                let mark = owner.get(&format!("/watched/{FIGHT_CLUB}")).await.expect(200);
                fill("{playId}", mark["plays"][0]["id"].as_str().unwrap());
            }
            _ => {}
        }
        if path.contains("/packages/") {
            path = path.replace("{id}", package);
        }
        let movie = FIGHT_CLUB.to_string();
        path = path.replace("movies/{id}", &format!("movies/{movie}"));
        path = path.replace("{movieId}", &movie).replace("{id}", &owner.id);
        assert!(!path.contains('{'), "{path}: a place is not filled");
        Self { method: rule.method.parse().unwrap(), path, headers, body }
    }

    /// Filled with things that do not exist.
    pub(crate) fn at_nothing(rule: &Rule, id: &str) -> Self {
        let path = rule.path.replace("{id}", id).replace("{movieId}", "550");
        let path = path.replace("{playId}", &Uuid::nil().to_string());
        let body = (rule.method != "GET").then(|| json!({}));
        Self { method: rule.method.parse().unwrap(), path, headers: vec![], body }
    }

    /// The same with a query and a body that nothing can be made of.
    pub(crate) fn broken(&self) -> Self {
        let sign = if self.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{sign}no-such-parameter=1", self.path);
        Self {
            path,
            body: self.body.as_ref().map(|_| json!(["nothing of the kind"])),
            ..self.clone()
        }
    }

    /// The same, of which only the head is wanted.
    pub(crate) fn head(&self) -> Option<Self> {
        (self.method == Method::GET).then(|| Self { method: Method::HEAD, ..self.clone() })
    }

    pub(crate) async fn send(&self, client: &Client) -> Answer {
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if self.body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        let path = format!("/{}", self.path);
        client.send(self.method.clone(), &path, &headers, body).await.unwrap()
    }
}

/// Of the form of tokens that come by mail.
const UNKNOWN_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn mark(client: &Client) {
    let path = format!("/watched/{FIGHT_CLUB}");
    assert!(client.put(&path, &json!({})).await.status < 300, "the owner may mark");
}

async fn tokens(client: &Client) -> Value {
    let me = client.get("/users/me").await.expect(200);
    let form = json!({ "email": me["email"], "password": USER_PASSWORD });
    client.nobody().post("/auth/login", &form).await.expect(200)
}

async fn refresh_token(client: &Client) -> String {
    tokens(client).await["refreshToken"].as_str().unwrap().to_owned()
}

/// A session of the same account beside the client's own.
async fn another_session(client: &Client) -> String {
    tokens(client).await;
    let sessions = client.get("/auth/sessions").await.data();
    let another = sessions.iter().find(|session| session["current"] == false).unwrap();
    another["id"].as_str().unwrap().to_owned()
}
