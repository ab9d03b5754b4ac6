//! What is let in only so often: by account, by client, and whom that is.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, TestApp,
    app::{ADMIN_EMAIL, ADMIN_PASSWORD, USER_PASSWORD},
    places::Places,
    smtp::SmtpDouble,
};

const PROXIED: (&str, &str) = ("WATCHME_TRUSTED_PROXIES", "127.0.0.0/8");
const DELAYED: [(&str, &str); 2] =
    [("WATCHME_LOGIN_FREE_FAILURES", "2"), ("WATCHME_LOGIN_DELAY", "60s")];

async fn login(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/auth/login", &json!({ "email": email, "password": password })).await
}

/// A login that fails, from an address that a proxy tells of.
async fn login_from(client: &Client, address: &str) -> Answer {
    let body = json!({ "email": format!("{}@example.com", address.len()), "password": "wrong" });
    client.post_with("/auth/login", &[("x-forwarded-for", address)], &body).await
}

async fn register(client: &Client, number: u32) -> Answer {
    let email = format!("throttled{number}@example.com");
    let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Throttled" });
    client.post("/auth/register", &body).await
}

/// A refusal, without what names the request.
#[track_caller]
fn refusal(answer: &Answer) -> Value {
    let mut problem = answer.problem(429, "too_many_requests");
    problem.as_object_mut().unwrap().remove("instance");
    problem
}

#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().expect("whole seconds")
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_right_password_is_no_way_round() {
    let app = TestApp::start_with(&DELAYED).await;
    for _ in 0..3 {
        let answer = login(&app.client, "Ada@Example.com", "a wrong password").await;
        answer.problem(401, "invalid_credentials");
    }
    for _ in 0..3 {
        register(&app.client, 1).await;
        login(&app.client, "throttled1@example.com", "a wrong password").await.expect(401);
    }
    // Of somebody and of nobody; in whatever letters; with the right password or a wrong one.
    let known = login(&app.client, "throttled1@example.com", USER_PASSWORD).await;
    let nobody = login(&app.client, "ada@example.com", USER_PASSWORD).await;
    assert_eq!(refusal(&known), refusal(&nobody));
    for answer in [&known, &nobody] {
        assert!((50..=60).contains(&retry_after(answer)), "{}", answer.header("retry-after"));
        assert!(answer.header("ratelimit").is_empty(), "nobody is told how many have failed");
    }
    login(&app.client, ADMIN_EMAIL, "wrong").await.problem(401, "invalid_credentials");
    app.admin().await;
}

#[tokio::test]
async fn a_right_password_forgets_the_wrong_ones_before_it() {
    let app = TestApp::start_with(&DELAYED).await;
    for _ in 0..4 {
        login(&app.client, ADMIN_EMAIL, "wrong").await.problem(401, "invalid_credentials");
        login(&app.client, ADMIN_EMAIL, "wrong").await.problem(401, "invalid_credentials");
        app.admin().await;
    }
}

#[tokio::test]
async fn a_delay_ends() {
    let settings = [("WATCHME_LOGIN_FREE_FAILURES", "1"), ("WATCHME_LOGIN_DELAY", "1s")];
    let app = TestApp::start_with(&settings).await;
    for _ in 0..2 {
        login(&app.client, ADMIN_EMAIL, "wrong").await.problem(401, "invalid_credentials");
    }
    let refused = login(&app.client, ADMIN_EMAIL, "wrong").await;
    refused.problem(429, "too_many_requests");
    tokio::time::sleep(Duration::from_secs(retry_after(&refused))).await;
    app.admin().await;
}

#[tokio::test]
async fn guesses_at_once_do_not_slip_through() {
    let app = TestApp::start_with(&DELAYED).await;
    let guesses = (0..20).map(|_| login(&app.client, ADMIN_EMAIL, "wrong"));
    let answers = join_all(guesses).await;
    let judged = answers.iter().filter(|answer| answer.status != 429).count();
    assert_eq!(judged, 3);
}

/// The password was not looked at: the login is no failure.
#[tokio::test]
async fn a_login_that_was_too_much_to_check_does_not_count() {
    let app = TestApp::start_with(&DELAYED).await;
    let flood = join_all((1..80).map(async |number| {
        loop {
            // Hashed before it is found to be taken.
            register(&app.client, number).await;
        }
    }));
    let logins = async {
        let mut unchecked_in_a_row = 0;
        while unchecked_in_a_row < 6 {
            let answer = login(&app.client, ADMIN_EMAIL, ADMIN_PASSWORD).await;
            match answer.status {
                503 => unchecked_in_a_row += 1,
                _ => unchecked_in_a_row = 0,
            }
            assert_ne!(answer.status, 429);
        }
    };
    tokio::select! {
        _ = flood => {}
        () = logins => {}
    }
}

#[tokio::test]
async fn limited_routes_tell_what_is_left() {
    let app = TestApp::start_with(&[
        ("WATCHME_LIMIT_REGISTER", "2/1h"),
        ("WATCHME_LIMIT_LOGIN", "300/15m"),
        ("WATCHME_LIMIT_CLIENT", "2000/1s"),
    ])
    .await;
    let rate = |answer: &Answer| {
        let told = |name| answer.header(name).split(", ").last().unwrap().to_owned();
        (told("ratelimit-policy"), told("ratelimit"))
    };
    let policy = "\"register\";q=2;w=3600".to_owned();
    let first = register(&app.client, 1).await;
    first.expect(201);
    assert_eq!(rate(&first), (policy.clone(), "\"register\";r=1;t=1800".to_owned()));
    let taken = register(&app.client, 1).await;
    taken.problem(409, "email_taken");
    assert!(rate(&taken).1.starts_with("\"register\";r=0;t="), "{}", rate(&taken).1);
    let refused = register(&app.client, 2).await;
    refusal(&refused);
    assert!((1_790..=1_800).contains(&retry_after(&refused)));
    assert_eq!(rate(&refused).0, policy);
    assert!(rate(&refused).1.starts_with("\"register\";r=0;t="));
    // Other limits are not touched by it.
    let answer = login(&app.client, ADMIN_EMAIL, "wrong").await;
    answer.problem(401, "invalid_credentials");
    assert_eq!(rate(&answer), ("\"login\";q=300;w=900".into(), "\"login\";r=299;t=3".into()));
    let policies = answer.header("ratelimit-policy");
    assert_eq!(policies, "\"client\";q=2000;w=1, \"login\";q=300;w=900");
}

/// Whoever may try one address after the other learns which are taken, and has mails sent.
#[tokio::test]
async fn another_address_is_wanted_only_so_often() {
    for verification in ["off", "on"] {
        let smtp = SmtpDouble::start().await;
        let url = smtp.url();
        let app = TestApp::start_with(&[
            ("WATCHME_EMAIL_VERIFICATION", verification),
            ("WATCHME_SMTP_URL", &url),
            ("WATCHME_LIMIT_FORGOT_CLIENT", "2/1h"),
        ])
        .await;
        let admin = app.admin().await;
        let path = format!("/users/{}", admin.id);
        let want =
            async |email: &str| admin.put(&path, &json!({ "name": "Admin", "email": email })).await;
        want(ADMIN_EMAIL).await.expect(200);
        want("one@example.com").await.expect(200);
        want("one@example.com").await.expect(200);
        let second = want("two@example.com").await;
        second.expect(200);
        assert!(second.header("ratelimit").contains("\"forgot-client\";r=0;"), "{verification}");
        refusal(&want("three@example.com").await);
        // What changes no address goes on.
        want("two@example.com").await.expect(200);
    }
}

#[tokio::test]
async fn every_client_has_a_limit_for_whatever_it_asks() {
    let app = TestApp::start_with(&[("WATCHME_LIMIT_CLIENT", "5/1h"), PROXIED]).await;
    let from = [("x-forwarded-for", "203.0.113.5")];
    for (path, left) in [("/genres", 4), ("//api/docs/", 3), ("/nowhere", 2), ("//else", 1)] {
        let answer = app.client.get_with(path, &from).await;
        assert_ne!(answer.status, 429, "{path}");
        assert!(answer.header("ratelimit").starts_with(&format!("\"client\";r={left};")), "{path}");
        assert_eq!(answer.header("ratelimit-policy"), "\"client\";q=5;w=3600");
    }
    app.client.get_with("/genres", &from).await.problem(401, "unauthenticated");
    // However its path is written; the token is not even looked at.
    for path in ["/genres", "//%61pi/v1/genres", "//", "//api/openapi.json"] {
        let refused = app.client.with_token("x").get_with(path, &from).await;
        refusal(&refused);
        assert!((700..=720).contains(&retry_after(&refused)), "{path}");
        assert!(refused.header("ratelimit").starts_with("\"client\";r=0;t=3"), "{path}");
    }
    for costly in ["//health", "//metrics"] {
        refusal(&app.client.get_with(costly, &from).await);
    }
    for probe in ["//livez", "//readyz"] {
        let answer = app.client.get_with(probe, &from).await;
        assert!(answer.status < 300 && answer.header("ratelimit").is_empty(), "{probe}");
    }
    app.client.get("/genres").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn whoever_is_no_proxy_cannot_say_where_it_comes_from() {
    let settings = [("WATCHME_LIMIT_LOGIN", "2/1h"), ("WATCHME_TRUSTED_PROXIES", "10.0.0.0/8")];
    let app = TestApp::start_with(&settings).await;
    for address in ["203.0.113.1", "203.0.113.22"] {
        login_from(&app.client, address).await.problem(401, "invalid_credentials");
    }
    refusal(&login_from(&app.client, "203.0.113.133").await);
    let forged = [("forwarded", "for=203.0.113.4"), ("x-real-ip", "203.0.113.4")];
    let body = json!({ "email": "ada@example.com", "password": "wrong" });
    refusal(&app.client.post_with("/auth/login", &forged, &body).await);
}

#[tokio::test]
async fn a_proxy_says_who_the_client_is() {
    let app = TestApp::start_with(&[("WATCHME_LIMIT_LOGIN", "1/1h"), PROXIED]).await;
    for address in ["203.0.113.1", "2001:db8:1:1::1", "2001:db8:1:2::1", "203.0.113.22:4711"] {
        login_from(&app.client, address).await.problem(401, "invalid_credentials");
    }
    // The same household, and what a client said of itself before the proxy added who it is.
    for address in ["2001:db8:1:1::abcd", "198.51.100.7, 203.0.113.1", "::ffff:203.0.113.1"] {
        refusal(&login_from(&app.client, address).await);
    }
}

#[tokio::test]
async fn the_store_knows_nobody_by_name() {
    let app = TestApp::start_with(&[
        DELAYED[0],
        ("WATCHME_LIMIT_LOGIN", "10/1h"),
        ("WATCHME_LIMIT_REGISTER", "10/1h"),
        PROXIED,
    ])
    .await;
    login_from(&app.client, "203.0.113.77").await.problem(401, "invalid_credentials");
    let places = Places::of(&app).await;
    for text in ["203.0.113.77", "12@example.com"] {
        assert_eq!(places.in_sql(text).await, [""; 0], "{text}");
    }
    assert_eq!(places.in_sql("failures:").await, ["throttles.name"]);
    assert_eq!(places.in_sql("login:").await, ["throttles.name"]);
}
