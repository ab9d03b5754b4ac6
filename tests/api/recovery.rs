//! A new password by mail.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, TestApp,
    app::{ADMIN_EMAIL, USER_PASSWORD},
    mails,
    places::Places,
    smtp::{Mood, SmtpDouble},
};

const NEW_PASSWORD: &str = "another fine pass phrase";

async fn start(settings: &[(&str, &str)]) -> (TestApp, SmtpDouble) {
    let smtp = SmtpDouble::start().await;
    let url = smtp.url();
    let mut all = vec![("WATCHME_SMTP_URL", url.as_str())];
    all.extend_from_slice(settings);
    (TestApp::start_with(&all).await, smtp)
}

async fn email(user: &Client) -> String {
    user.get("/users/me").await.expect(200)["email"].as_str().unwrap().to_owned()
}

async fn forgot(app: &TestApp, email: &str) -> Value {
    app.client.post("/auth/password/forgot", &json!({ "email": email })).await.expect(202)
}

async fn reset(app: &TestApp, token: &str, password: &str) -> crate::support::Answer {
    let body = json!({ "token": token, "password": password });
    app.client.post("/auth/password/reset", &body).await
}

async fn login(app: &TestApp, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    app.client.post("/auth/login", &body).await.status
}

#[tokio::test]
async fn a_token_sets_a_new_password_once() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    forgot(&app, &email).await;
    let token = smtp.mails_to(&email, 1).await[0].token();

    // A password that is refused does not use the token up.
    reset(&app, &token, "short").await.invalid("password");
    assert_eq!(login(&app, &email, USER_PASSWORD).await, 200);
    reset(&app, &token, NEW_PASSWORD).await.expect(204);
    assert_eq!(login(&app, &email, USER_PASSWORD).await, 401);
    assert_eq!(login(&app, &email, NEW_PASSWORD).await, 200);
    reset(&app, &token, "yet another pass phrase").await.problem(422, "invalid_mail_token");
    assert_eq!(login(&app, &email, NEW_PASSWORD).await, 200);

    // The user is told.
    let told = smtp.mails_to(&email, 2).await;
    assert_eq!(told[1].header("subject"), "Your WatchMe password was changed");
}

/// Whoever guesses at an account keeps nobody from it who reads its mail.
#[tokio::test]
async fn a_reset_ends_the_delay_that_guesses_have_brought() {
    let settings = [("WATCHME_LOGIN_FREE_FAILURES", "2"), ("WATCHME_LOGIN_DELAY", "60s")];
    let (app, smtp) = start(&settings).await;
    let user = app.user().await;
    let email = email(&user).await;
    for status in [401, 401, 401, 429] {
        assert_eq!(login(&app, &email, "a wrong guess").await, status);
    }
    let change = json!({ "currentPassword": "a wrong guess", "newPassword": NEW_PASSWORD });
    for status in [403, 403, 403, 429] {
        assert_eq!(user.put("/auth/password", &change).await.status, status);
    }
    forgot(&app, &email).await;
    let token = smtp.mails_to(&email, 1).await[0].token();
    reset(&app, &token, NEW_PASSWORD).await.expect(204);
    let user = app.client.login(&email, NEW_PASSWORD).await;
    let change = json!({ "currentPassword": NEW_PASSWORD, "newPassword": USER_PASSWORD });
    user.put("/auth/password", &change).await.expect(204);
}

#[tokio::test]
async fn of_many_who_bring_a_token_at_once_one_sets_the_password() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    forgot(&app, &email).await;
    let token = smtp.mails_to(&email, 1).await[0].token();
    let tries = (0..6).map(|n| {
        let (app, token) = (&app, &token);
        async move { reset(app, token, &format!("pass phrase number {n}")).await.status }
    });
    let mut outcomes = futures_util::future::join_all(tries).await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, [204, 422, 422, 422, 422, 422]);
}

#[tokio::test]
async fn a_reset_ends_the_other_tokens_of_the_account() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    forgot(&app, &email).await;
    smtp.mails_to(&email, 1).await;
    forgot(&app, &email).await;
    let mails = smtp.mails_to(&email, 2).await;
    reset(&app, &mails[1].token(), NEW_PASSWORD).await.expect(204);
    let refused = reset(&app, &mails[0].token(), USER_PASSWORD).await;
    refused.problem(422, "invalid_mail_token");
}

#[tokio::test]
async fn what_is_no_token_that_counts_is_refused_alike() {
    let (app, smtp) = start(&[]).await;
    let (user, admin) = (app.user().await, app.admin().await);
    let email = email(&user).await;
    forgot(&app, &email).await;
    let token = smtp.mails_to(&email, 1).await[0].token();
    let unknown = token.chars().rev().collect::<String>();
    let unknown = format!("{}A", &unknown[1..]);
    let refused = reset(&app, &unknown, NEW_PASSWORD).await.problem(422, "invalid_mail_token");

    let path = format!("/admin/users/{}", user.id);
    admin.patch(&path, &json!({ "status": "disabled" })).await.expect(200);
    let disabled = reset(&app, &token, NEW_PASSWORD).await.problem(422, "invalid_mail_token");
    assert_eq!(refused["detail"], disabled["detail"]);
    admin.patch(&path, &json!({ "status": "active" })).await.expect(200);

    // One that is for something else, and one that is too old.
    let verify = json!({ "token": token });
    let elsewhere = app.client.post("/auth/email/verify", &verify).await;
    elsewhere.problem(422, "invalid_mail_token");
    let places = Places::of_writable(&app).await;
    sqlx::query("UPDATE mail_tokens SET expires_at = 1").execute(&places.sql).await.unwrap();
    reset(&app, &token, NEW_PASSWORD).await.problem(422, "invalid_mail_token");
    for wrong in ["", "x", "å".repeat(43).as_str()] {
        reset(&app, wrong, NEW_PASSWORD).await.invalid("token");
    }
}

#[tokio::test]
async fn a_token_of_an_address_that_the_account_had_before_does_not_count() {
    let (app, smtp) = start(&[]).await;
    let user = app.user().await;
    let before = email(&user).await;
    forgot(&app, &before).await;
    let token = smtp.mails_to(&before, 1).await[0].token();
    let moved = json!({ "name": "Ada", "email": format!("moved-{before}") });
    user.put(&format!("/users/{}", user.id), &moved).await.expect(200);
    reset(&app, &token, NEW_PASSWORD).await.problem(422, "invalid_mail_token");
    let told = smtp.mails_to(&before, 2).await;
    assert_eq!(told[1].header("subject"), "Your WatchMe account has another address");
}

#[tokio::test]
async fn an_address_without_an_account_gets_the_same_answer_and_no_mail() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    let known = forgot(&app, &email).await;
    assert_eq!(forgot(&app, "nobody@example.com").await, known);
    forgot(&app, &email).await;
    smtp.mails_to(&email, 2).await;
    let mailer = app.handles.mailer.as_ref().unwrap();
    let empty = async {
        while mailer.backlog().await.unwrap().mails > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), empty).await.expect("nothing waits for nobody");
    assert_eq!((mailer.status().sent, mailer.status().dropped), (2, 1));
    assert!(smtp.received().iter().all(|mail| mail.to == email));
    let malformed = json!({ "email": "nobody" });
    app.client.post("/auth/password/forgot", &malformed).await.invalid("email");
}

#[tokio::test]
async fn a_token_is_stored_as_a_digest_only() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    forgot(&app, &email).await;
    let token = smtp.mails_to(&email, 1).await[0].token();
    let places = Places::of(&app).await;
    assert_eq!(places.in_sql(&token).await, [""; 0]);
    assert!(places.in_sql(&email).await.contains(&"mail_tokens.email".to_owned()));
}

#[tokio::test]
async fn an_outage_of_the_mail_server_delays_mails_and_nothing_else() {
    let (app, smtp) = start(&[]).await;
    let email = email(&app.user().await).await;
    for mood in [Mood::Refusing(451), Mood::Refusing(550), Mood::Cutting] {
        smtp.set(mood);
        let (before, began) = (smtp.conversations(), Instant::now());
        forgot(&app, &email).await;
        assert!(began.elapsed() < Duration::from_secs(2), "the request waits for nobody");
        while smtp.conversations() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let unwell = async {
        while app.client.get("//health").await.expect(200)["checks"]["mail"]["status"] != "warn" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), unwell).await.expect("the health page says so");
    app.client.get("//readyz").await.expect(204);
    assert!(smtp.received().is_empty());

    smtp.set(Mood::Willing);
    let mails = smtp.mails_to(&email, 3).await;
    reset(&app, &mails[2].token(), NEW_PASSWORD).await.expect(204);
    smtp.mails_to(&email, 4).await;
    let health = app.client.get("//health").await.expect(200);
    assert_eq!(health["checks"]["mail"]["status"], "pass");
    let metrics = app.client.get("//metrics").await.text();
    assert!(metrics.contains("watchme_mails_total{outcome=\"sent\"} 4"), "{metrics}");
    assert!(metrics.contains("watchme_mails_waiting 0"), "{metrics}");
}

#[tokio::test]
async fn mails_that_wait_are_sent_after_a_restart() {
    let (app, smtp) = start(&[]).await;
    smtp.set(Mood::Refusing(421));
    let email = email(&app.user().await).await;
    forgot(&app, &email).await;
    while smtp.conversations() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let app = app.restart().await;
    smtp.set(Mood::Willing);
    let token = smtp.mails_to(&email, 1).await[0].token();
    reset(&app, &token, NEW_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_mail_server_that_says_nothing() {
    let (app, smtp) = start(&[]).await;
    smtp.set(Mood::Silent);
    forgot(&app, ADMIN_EMAIL).await;
    while smtp.conversations() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    drop(app);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_a_mail_server_mails_are_written_to_the_data_folder() {
    let app = TestApp::start_in_its_folder().await;
    forgot(&app, ADMIN_EMAIL).await;
    let folder = app.folder().join("mails");
    let mails = mails::to_in_folder(&folder, ADMIN_EMAIL, 1).await;
    reset(&app, &mails[0].token(), NEW_PASSWORD).await.expect(204);
    mails::to_in_folder(&folder, ADMIN_EMAIL, 2).await;
    #[cfg(unix)]
    for (path, mode) in std::iter::once((folder.clone(), 0o700))
        .chain(folder.read_dir().unwrap().map(|entry| (entry.unwrap().path(), 0o600)))
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{path:?}");
    }
}

/// Over engines nothing is kept in a folder.
#[tokio::test]
async fn where_no_mail_can_be_sent_every_address_is_told_so() {
    if crate::support::backend::is_embedded() {
        return;
    }
    let app = TestApp::start().await;
    for email in [ADMIN_EMAIL, "nobody@example.com"] {
        let body = json!({ "email": email });
        let refused = app.client.post("/auth/password/forgot", &body).await;
        refused.problem(503, "mail_unavailable");
    }
}
