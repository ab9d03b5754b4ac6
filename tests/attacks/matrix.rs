//! The authorization matrix: every operation of the running service's document by every kind of
//! caller has the outcome that the policy says.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cast::{CHEAP_HASHES, Cast, Stale},
    policy::{Access, Caller, POLICY, Rule, Verdict},
    requests::Request,
    support::{Answer, TestApp, app::USER_PASSWORD},
};

/// Tokens that come by mail are unknown here: whoever is told so was let in.
fn granted(answer: &Answer) -> bool {
    answer.status < 300 || answer.json()["code"] == "invalid_mail_token"
}

#[track_caller]
fn refused(answer: &Answer, status: u16, cell: &str) {
    assert_eq!(answer.status, status, "{cell}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{cell}");
    assert_eq!(answer.header("www-authenticate").is_empty(), status != 401, "{cell}");
}

/// Insists on a rule for every operation of the document and the other way round.
async fn rules(app: &TestApp) -> Vec<Rule> {
    let document = app.client.get("//api/openapi.json").await.expect(200);
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            check_word(&method, path, operation);
            documented.insert((method, path.clone()));
        }
    }
    let rules = POLICY.to_vec();
    let ruled: BTreeSet<_> =
        rules.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    assert_eq!(ruled.len(), rules.len(), "two rules for one operation");
    let without: Vec<_> = documented.symmetric_difference(&ruled).collect();
    assert!(without.is_empty(), "only in the document, or only in the policy: {without:?}");
    rules
}

/// Insists that the document says of an operation what the policy says.
fn check_word(method: &str, path: &str, operation: &Value) {
    let rule = POLICY.iter().find(|rule| (rule.method, rule.path) == (method, path));
    let rule = rule.unwrap_or_else(|| panic!("{method} {path} has no rule"));
    assert_eq!(operation["x-access"], rule.access.word(), "{method} {path}");
}

#[tokio::test]
async fn every_caller_gets_what_the_policy_says() {
    let (app, stale) = Stale::at_a_service().await;
    let mut cells = 0;
    for rule in rules(&app).await {
        let mut cast = Cast::new(&app).await;
        let mut request = Request::of(&rule, &cast).await;
        let verdict = |caller: &Caller| rule.verdict(*caller);
        let (admitted, kept_out): (Vec<_>, Vec<_>) =
            Caller::ALL.into_iter().partition(|caller| verdict(caller) == Verdict::Granted);
        for caller in kept_out {
            let cell = format!("{} {} as {caller:?}", rule.method, rule.path);
            let client = cast.client(caller, &stale);
            let status = match rule.verdict(caller) {
                Verdict::Refused(status) => {
                    // Whatever is wrong with the form, it is not what they hear of.
                    refused(&request.broken().send(&client).await, status, &cell);
                    status
                }
                _ => 404,
            };
            refused(&request.send(&client).await, status, &cell);
            if let Some(head) = request.head() {
                assert_eq!(head.send(&client).await.status, status, "HEAD, {cell}");
            }
            cells += 1;
        }
        // The very request that the others were refused succeeds, and they have changed nothing.
        for (index, caller) in admitted.into_iter().enumerate() {
            if index > 0 {
                cast = Cast::new(&app).await;
                request = Request::of(&rule, &cast).await;
            }
            let client = cast.client(caller, &stale);
            let answer = request.send(&client).await;
            let cell = format!("{} {} as {caller:?}", rule.method, rule.path);
            assert!(granted(&answer), "{cell}: {} {}", answer.status, answer.text());
            if let Some(head) = request.head() {
                assert_eq!(head.send(&client).await.status, answer.status, "HEAD, {cell}");
            }
            cells += 1;
        }
    }
    println!("{cells} cells");
}

/// What one user deletes is never another's, where the path names nobody.
#[tokio::test]
async fn a_mark_outlives_what_others_unmark() {
    let app = TestApp::start_with(&CHEAP_HASHES).await;
    let cast = Cast::new(&app).await;
    cast.owner.put("/watched/550", &json!({})).await.expect(201);
    for who in [&cast.other, &cast.admin] {
        who.delete("/watched/550").await.expect(204);
    }
    cast.owner.get("/watched/550").await.expect(200);
}

/// An account that still has to verify its address can do that, be read by its user and go, nothing
/// else.
#[tokio::test]
async fn an_address_that_is_not_verified_opens_nothing() {
    let app = TestApp::start_with(&CHEAP_HASHES).await;
    let settings = [&CHEAP_HASHES[..], &[("WATCHME_EMAIL_VERIFICATION", "on")]].concat();
    let cast = Cast::new(&app).await;
    let app = app.restart_with(&settings).await;
    let email = "unverified@example.com";
    let register = async |email: &str| {
        let form = json!({ "email": email, "password": USER_PASSWORD, "name": "New" });
        app.client.post("/auth/register", &form).await.expect(202);
        app.client.login(email, USER_PASSWORD).await
    };
    let unverified = register(email).await;
    let cast = Cast {
        owner: unverified.clone(),
        other: cast.other.at(&app.client),
        admin: cast.admin.at(&app.client),
        ..cast
    };
    for rule in rules(&app).await {
        let cell = format!("{} {}", rule.method, rule.path);
        match rule.access {
            Access::Public => {}
            Access::SignedIn => {
                // One of the requests signs out.
                let client = app.client.login(email, USER_PASSWORD).await;
                let answer = Request::of(&rule, &cast).await.send(&client).await;
                assert!(granted(&answer), "{cell}: {}", answer.text());
            }
            Access::SelfOrAdmin => {
                let answer = Request::at_nothing(&rule, &cast.other.id).send(&unverified).await;
                answer.problem(403, "email_not_verified");
                // One of the requests gives the account up.
                let own = register(&format!("{}@example.com", rule.method)).await;
                let answer = Request::at_nothing(&rule, &own.id).send(&own).await;
                assert!(granted(&answer), "{cell}: {}", answer.text());
            }
            _ => {
                let answer = Request::at_nothing(&rule, &unverified.id).send(&unverified).await;
                answer.problem(403, "email_not_verified");
            }
        }
    }
}

#[tokio::test]
async fn no_path_answers_a_method_that_is_not_in_the_document() {
    let app = TestApp::start_with(&CHEAP_HASHES).await;
    let admin = app.admin().await;
    let rules = rules(&app).await;
    let paths: BTreeSet<&str> = rules.iter().map(|rule| rule.path).collect();
    for path in paths {
        let known: Vec<&str> =
            rules.iter().filter(|rule| rule.path == path).map(|rule| rule.method).collect();
        let request = Request::at_nothing(&Rule { path, ..rules[0] }, &admin.id);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if !known.contains(&method) {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let answer = Request { method, body: None, ..request.clone() }.send(&admin).await;
                answer.problem(405, "method_not_allowed");
            }
        }
    }
}
