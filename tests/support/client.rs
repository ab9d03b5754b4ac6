//! A REST client that shows everything of an answer.

use std::time::Duration;

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

/// Talks to one service, as one user or as nobody.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// `http://127.0.0.1:port`.
    pub base: String,
    /// The access token; `None` for nobody.
    pub token: Option<String>,
    /// The user's id; empty for nobody.
    pub id: String,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// One header; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or(""))
    }

    /// Insists on a status; gives the JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Insists on a problem with this status and code, in its whole form; gives it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["instance"], self.header("x-request-id"), "{problem}");
        for field in ["type", "title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|it| !it.is_empty()), "{field}: {problem}");
        }
        problem
    }

    /// Insists on a 422 that names this field.
    #[track_caller]
    pub fn invalid(&self, field: &str) -> Value {
        let problem = self.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().any(|error| error["field"] == field), "{field}: {problem}");
        problem
    }

    /// The items of a page.
    #[track_caller]
    pub fn data(&self) -> Vec<Value> {
        self.expect(200)["data"].as_array().expect("a page has data").clone()
    }
}

impl Client {
    /// Nobody, for a service at this address.
    pub fn new(base: String) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, base, token: None, id: String::new() }
    }

    /// The same client without its token.
    pub fn nobody(&self) -> Self {
        Self { token: None, id: String::new(), ..self.clone() }
    }

    /// The same client with this token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), id: String::new(), ..self.clone() }
    }

    /// The same client for another service, or for the same one after a restart.
    pub fn at(&self, other: &Self) -> Self {
        Self { base: other.base.clone(), ..self.clone() }
    }

    /// The same client for a service at this address.
    pub fn with_base(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// Signs in.
    pub async fn login(&self, email: &str, password: &str) -> Self {
        let body = json!({ "email": email, "password": password });
        let tokens = self.nobody().post("/auth/login", &body).await.expect(200);
        let token = tokens["accessToken"].as_str().expect("a token").to_owned();
        let client = Self { token: Some(token), ..self.clone() };
        let me = client.get("/users/me").await.expect(200);
        Self { id: me["id"].as_str().expect("an id").to_owned(), ..client }
    }

    /// A request below `/api/v1`, or to an absolute path where it begins with `//`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.send_bytes(method, path, &headers, body).await
    }

    /// The same with headers that may be no ASCII.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &[u8])],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        let url = match path.strip_prefix('/') {
            Some(absolute) if absolute.starts_with('/') => format!("{}{absolute}", self.base),
            _ => format!("{}/api/v1{path}", self.base),
        };
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, bytes })
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, Some(body.to_string().into_bytes())).await.unwrap()
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await.unwrap()
    }

    /// GET with headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, None).await.unwrap()
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await.unwrap()
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, &[], body).await
    }

    /// POST of JSON with headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.json(Method::POST, path, headers, body).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PUT, path, &[], body).await
    }

    /// PUT of JSON with headers.
    pub async fn put_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.json(Method::PUT, path, headers, body).await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PATCH, path, &[], body).await
    }

    /// The id of a package by its name.
    pub async fn package(&self, name: &str) -> String {
        let packages = self.get("/packages?pageSize=100").await.data();
        let found = packages.iter().find(|package| package["name"] == name);
        found.expect("the package is there")["id"].as_str().unwrap().to_owned()
    }

    /// Makes a package of genres; its id.
    pub async fn make_package(&self, name: &str, genre_ids: &[i64]) -> String {
        let body = json!({ "name": name, "genreIds": genre_ids });
        self.post("/packages", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Subscribes to a package; the subscription's id.
    pub async fn subscribe(&self, package_id: &str) -> String {
        let body = json!({ "packageId": package_id });
        self.post("/subscriptions", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
    }
}
