//! Showing that one reads the mail of an address.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Client, TestApp,
    app::{ADMIN_EMAIL, USER_PASSWORD},
    places::Places,
    smtp::SmtpDouble,
};

async fn start() -> (TestApp, SmtpDouble) {
    let smtp = SmtpDouble::start().await;
    let settings =
        [("WATCHME_SMTP_URL", smtp.url()), ("WATCHME_EMAIL_VERIFICATION", "on".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    (TestApp::start_with(&settings).await, smtp)
}

async fn register(app: &TestApp, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "name": "Eve & <b>Co</b>" });
    app.client.post("/auth/register", &body).await
}

async fn verify(app: &TestApp, token: &str) -> Answer {
    app.client.post("/auth/email/verify", &json!({ "token": token })).await
}

/// Somebody with a verified address, signed in.
async fn verified(app: &TestApp, smtp: &SmtpDouble, email: &str) -> Client {
    register(app, email, USER_PASSWORD).await.expect(202);
    verify(app, &smtp.mails_to(email, 1).await[0].token()).await.expect(204);
    app.client.login(email, USER_PASSWORD).await
}

async fn me(user: &Client) -> Value {
    user.get("/users/me").await.expect(200)
}

#[tokio::test]
async fn an_account_is_verified_by_the_token_that_its_address_gets() {
    let (app, smtp) = start().await;
    let accepted = register(&app, "eve@example.com", USER_PASSWORD).await;
    accepted.expect(202);
    let eve = app.client.login("eve@example.com", USER_PASSWORD).await;
    assert_eq!(me(&eve).await["emailVerified"], false);
    let mail = &smtp.mails_to("eve@example.com", 1).await[0];
    assert_eq!(mail.header("subject"), "Verify your address for WatchMe");
    verify(&app, &mail.token()).await.expect(204);
    assert_eq!(me(&eve).await["emailVerified"], true);
    verify(&app, &mail.token()).await.problem(422, "invalid_mail_token");
    // A token to verify with sets no password.
    let body = json!({ "token": mail.token(), "password": USER_PASSWORD });
    let refused = app.client.post("/auth/password/reset", &body).await;
    refused.problem(422, "invalid_mail_token");
}

#[tokio::test]
async fn accounts_that_the_operator_made_are_verified() {
    let (app, _smtp) = start().await;
    assert_eq!(me(&app.admin().await).await["emailVerified"], true);
}

#[tokio::test]
async fn a_known_address_gets_the_same_answer_and_another_mail() {
    let (app, smtp) = start().await;
    let unknown = register(&app, "eve@example.com", USER_PASSWORD).await;
    let known = register(&app, ADMIN_EMAIL, "an attacker's pass phrase").await;
    assert_eq!(unknown.expect(202), known.expect(202));
    let names = |answer: &Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&unknown), names(&known));
    let told = &smtp.mails_to(ADMIN_EMAIL, 1).await[0];
    assert_eq!(told.header("subject"), "You have a WatchMe account already");
    app.admin().await;
    register(&app, "nonsense", USER_PASSWORD).await.invalid("email");
}

#[tokio::test]
async fn an_idempotency_key_does_not_tell_known_addresses_from_unknown_ones() {
    let (app, _smtp) = start().await;
    for email in [ADMIN_EMAIL, "eve@example.com"] {
        let key = [("idempotency-key", "the-same")];
        let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Eve" });
        let first = app.client.post_with("/auth/register", &key, &body).await;
        let again = app.client.post_with("/auth/register", &key, &body).await;
        assert_eq!(first.expect(202), again.expect(202), "{email}");
        assert_eq!(first.header("idempotency-replayed"), "", "{email}");
        assert_eq!(again.header("idempotency-replayed"), "true", "{email}");
        let other = json!({ "email": email, "password": USER_PASSWORD, "name": "Mallory" });
        let other = app.client.post_with("/auth/register", &key, &other).await;
        other.problem(422, "idempotency_key_reused");
    }
}

/// Somebody may have made the account before the owner of the address came, or come after: whoever
/// reads the mail is to have a password of their own.
#[tokio::test]
async fn who_owns_an_address_takes_over_an_account_that_was_never_verified() {
    let (app, smtp) = start().await;
    const THEIRS: &str = "an attacker's pass phrase";
    register(&app, "eve@example.com", THEIRS).await.expect(202);
    let attacker = app.client.login("eve@example.com", THEIRS).await;
    let first = smtp.mails_to("eve@example.com", 1).await[0].token();
    let again = register(&app, "eve@example.com", USER_PASSWORD).await;
    assert_eq!(
        again.expect(202),
        register(&app, "bob@example.com", USER_PASSWORD).await.expect(202)
    );
    let mail = &smtp.mails_to("eve@example.com", 2).await[1];
    assert_eq!(mail.header("subject"), "Set your WatchMe password");
    // The mail that the attacker had sent does nothing for them, and nobody is signed in.
    verify(&app, &first).await.problem(422, "invalid_mail_token");
    let ended = async {
        while attacker.get("/users/me").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the session has ended");
    for password in [THEIRS, USER_PASSWORD] {
        let body = json!({ "email": "eve@example.com", "password": password });
        app.client.post("/auth/login", &body).await.problem(401, "invalid_credentials");
    }
    let body = json!({ "token": mail.token(), "password": USER_PASSWORD });
    app.client.post("/auth/password/reset", &body).await.expect(204);
    let eve = app.client.login("eve@example.com", USER_PASSWORD).await;
    assert_eq!(me(&eve).await["emailVerified"], true);
    // From now on the address is theirs.
    register(&app, "eve@example.com", THEIRS).await.expect(202);
    assert_eq!(me(&eve).await["emailVerified"], true);
}

#[tokio::test]
async fn an_account_that_is_not_verified_can_be_read_and_given_up_by_its_user() {
    let (app, _smtp) = start().await;
    register(&app, "eve@example.com", USER_PASSWORD).await.expect(202);
    let eve = app.client.login("eve@example.com", USER_PASSWORD).await;
    let path = format!("/users/{}", eve.id);
    assert_eq!(eve.get(&path).await.expect(200), me(&eve).await);
    let profile = json!({ "name": "Eve", "email": "eve@example.com" });
    eve.put(&path, &profile).await.problem(403, "email_not_verified");
    let admin = app.admin().await;
    let others = format!("/users/{}", admin.id);
    eve.delete(&others).await.problem(403, "email_not_verified");
    eve.delete(&path).await.expect(204);
    eve.get("/users/me").await.problem(401, "account_inactive");
    let body = json!({ "email": "eve@example.com", "password": USER_PASSWORD });
    app.client.post("/auth/login", &body).await.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn the_mail_comes_again_when_it_is_asked_for() {
    let (app, smtp) = start().await;
    register(&app, "eve@example.com", USER_PASSWORD).await.expect(202);
    let eve = app.client.login("eve@example.com", USER_PASSWORD).await;
    eve.post("/auth/email/verification", &json!({})).await.expect(202);
    let mails = smtp.mails_to("eve@example.com", 2).await;
    assert_ne!(mails[0].token(), mails[1].token());
    verify(&app, &mails[1].token()).await.expect(204);
    // Nothing is left to verify.
    verify(&app, &mails[0].token()).await.problem(422, "invalid_mail_token");
    eve.post("/auth/email/verification", &json!({})).await.expect(202);
    assert_eq!(smtp.received().len(), 2);
    app.client.post("/auth/email/verification", &json!({})).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn another_address_becomes_the_accounts_when_it_is_verified() {
    let (app, smtp) = start().await;
    let eve = verified(&app, &smtp, "eve@example.com").await;
    let path = format!("/users/{}", eve.id);
    let wanted = json!({ "name": "Eve", "email": "new@example.com" });
    let changed = eve.put(&path, &wanted).await.expect(200);
    assert_eq!(changed["email"], "eve@example.com");
    assert_eq!(
        (&changed["pendingEmail"], &changed["name"]),
        (&json!("new@example.com"), &json!("Eve"))
    );
    let token = smtp.mails_to("new@example.com", 1).await[0].token();
    let told = &smtp.mails_to("eve@example.com", 2).await[1];
    assert_eq!(told.header("subject"), "Your WatchMe account is to have another address");
    // Saying it again changes nothing and sends nothing.
    assert_eq!(eve.put(&path, &wanted).await.expect(200), changed);
    verify(&app, &token).await.expect(204);
    let now = me(&eve).await;
    assert_eq!((&now["email"], &now["pendingEmail"]), (&json!("new@example.com"), &json!(null)));
    app.client.login("new@example.com", USER_PASSWORD).await;
    let told = &smtp.mails_to("eve@example.com", 3).await[2];
    assert_eq!(told.header("subject"), "Your WatchMe account has another address");
    assert_eq!(smtp.mails_to("new@example.com", 1).await.len(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_wanted_any_more_cannot_be_verified() {
    let (app, smtp) = start().await;
    let eve = verified(&app, &smtp, "eve@example.com").await;
    let path = format!("/users/{}", eve.id);
    let wish = |email: &str| json!({ "name": "Eve", "email": email });
    eve.put(&path, &wish("new@example.com")).await.expect(200);
    let token = smtp.mails_to("new@example.com", 1).await[0].token();
    let dropped = eve.put(&path, &wish("eve@example.com")).await.expect(200);
    assert_eq!(dropped["pendingEmail"], json!(null));
    verify(&app, &token).await.problem(422, "invalid_mail_token");
    assert_eq!(me(&eve).await["email"], "eve@example.com");
}

#[tokio::test]
async fn who_wants_an_address_that_is_taken_is_told_nothing() {
    let (app, smtp) = start().await;
    let eve = verified(&app, &smtp, "eve@example.com").await;
    let wanted = json!({ "name": "Eve", "email": ADMIN_EMAIL });
    let changed = eve.put(&format!("/users/{}", eve.id), &wanted).await.expect(200);
    assert_eq!(changed["pendingEmail"], ADMIN_EMAIL);
    let told = &smtp.mails_to(ADMIN_EMAIL, 1).await[0];
    assert_eq!(told.header("subject"), "You have a WatchMe account already");
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_stays_with_whoever_has_it() {
    let (app, smtp) = start().await;
    let eve = verified(&app, &smtp, "eve@example.com").await;
    let wanted = json!({ "name": "Eve", "email": "new@example.com" });
    eve.put(&format!("/users/{}", eve.id), &wanted).await.expect(200);
    let token = smtp.mails_to("new@example.com", 1).await[0].token();
    register(&app, "new@example.com", USER_PASSWORD).await.expect(202);
    verify(&app, &token).await.problem(409, "email_taken");
    assert_eq!(me(&eve).await["email"], "eve@example.com");
}

/// A name is whatever somebody typed in: nobody is to send a stranger a text through us.
#[tokio::test]
async fn a_stranger_reads_nothing_that_somebody_typed_in() {
    let (app, smtp) = start().await;
    register(&app, "eve@example.com", USER_PASSWORD).await.expect(202);
    let mail = &smtp.mails_to("eve@example.com", 1).await[0];
    for part in ["text/plain", "text/html"] {
        assert!(!mail.part(part).contains("Eve"), "{}", mail.raw);
    }
    verify(&app, &mail.token()).await.expect(204);
    let body = json!({ "email": "eve@example.com" });
    app.client.post("/auth/password/forgot", &body).await.expect(202);
    let mail = &smtp.mails_to("eve@example.com", 2).await[1];
    assert!(mail.part("text/plain").contains("Hello Eve & <b>Co</b>,"));
    assert!(!mail.part("text/html").contains("<b>"), "{}", mail.raw);
}

#[tokio::test]
async fn mails_go_with_the_account() {
    let (app, smtp) = start().await;
    let eve = verified(&app, &smtp, "eve@example.com").await;
    smtp.set(crate::support::smtp::Mood::Refusing(451));
    let wanted = json!({ "name": "Eve", "email": "new@example.com" });
    eve.put(&format!("/users/{}", eve.id), &wanted).await.expect(200);
    let body = json!({ "email": "eve@example.com" });
    app.client.post("/auth/password/forgot", &body).await.expect(202);
    let places = Places::of(&app).await;
    let waiting = places.in_sql("eve@example.com").await;
    assert!(waiting.contains(&"mail_queue.address".to_owned()), "{waiting:?}");
    eve.delete(&format!("/users/{}", eve.id)).await.expect(204);
    for text in [eve.id.as_str(), "eve@example.com", "new@example.com"] {
        let left = places.in_sql(text).await;
        assert!(left.iter().all(|place| !place.starts_with("mail_")), "{text}: {left:?}");
    }
}
