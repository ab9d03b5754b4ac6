//! An operation under attack, and what may come of it.

use std::{cell::Cell, fmt::Debug};

use reqwest::Method;

use crate::{
    cast::Cast,
    policy::{Caller, Rule, Verdict},
    requests::Request,
    support::{Answer, Client, TestApp},
};

/// An operation, a request that succeeds, and who may send it.
pub(crate) struct Target {
    pub(crate) rule: Rule,
    pub(crate) cast: Cast,
    pub(crate) request: Request,
    pub(crate) client: Client,
    sent: Cell<usize>,
}

impl Target {
    pub(crate) async fn new(app: &TestApp, rule: Rule) -> Self {
        let cast = Cast::new(app).await;
        let request = Request::of(&rule, &cast).await;
        let client = match rule.verdict(Caller::Owner) {
            Verdict::Granted => cast.owner.clone(),
            _ => cast.admin.clone(),
        };
        Self { rule, cast, request, client, sent: Cell::new(0) }
    }

    /// Makes ready for another request after one that was carried out.
    pub(crate) async fn renew(&mut self, app: &TestApp) {
        if self.rule.path.ends_with("/password") {
            // Nobody knows the account's password any more.
            let sent = self.sent.get();
            *self = Self::new(app, self.rule).await;
            self.sent.set(sent);
        } else {
            self.request = Request::of(&self.rule, &self.cast).await;
        }
    }

    /// How many requests were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.get()
    }

    /// Sends the request with something of it exchanged, and insists on an answer in order.
    pub(crate) async fn send(
        &self,
        path: &str,
        headers: &[(&str, &[u8])],
        body: Option<Vec<u8>>,
        what: &(impl Debug + ?Sized),
    ) -> Answer {
        let mut all: Vec<(&str, &[u8])> =
            self.request.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        if body.is_some() {
            all.push(("content-type", b"application/json"));
        }
        for (name, value) in headers {
            all.retain(|(known, _)| known != name);
            all.push((name, value));
        }
        let anonymous = headers.iter().any(|(name, _)| *name == "authorization");
        let client = if anonymous { &self.client.nobody() } else { &self.client };
        let method = self.request.method.clone();
        let answer = client.send_bytes(method, &format!("/{path}"), &all, body).await.unwrap();
        self.sent.set(self.sent.get() + 1);
        let place = format!("{} {path} with {what:?}", self.request.method);
        in_order(&answer, &self.request.method, &place);
        answer
    }
}

/// Insists that an answer is no fault of the service's, and a problem where it is one of the
/// caller's.
#[track_caller]
pub(crate) fn in_order(answer: &Answer, method: &Method, place: &str) {
    let shown: String = place.chars().take(400).collect();
    assert!(answer.status < 500, "{shown}: {} {}", answer.status, answer.text());
    if answer.status >= 400 && method != Method::HEAD {
        let problem = answer.json();
        assert_eq!(answer.header("content-type"), "application/problem+json", "{shown}");
        assert_eq!(problem["status"], answer.status, "{shown}: {problem}");
        assert_eq!(problem["instance"], answer.header("x-request-id"), "{shown}: {problem}");
        assert!(problem["code"].is_string(), "{shown}: {problem}");
    }
}
