//! Who takes part: accounts of every kind, with something of everything.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::json;

use crate::{
    policy::Caller,
    support::{
        Client, TestApp,
        app::{ADMIN_EMAIL, ADMIN_PASSWORD, USER_PASSWORD},
    },
};

pub(crate) const DRAMA: i64 = 18;
/// A drama.
pub(crate) const FIGHT_CLUB: i64 = 550;

/// Cheap hashes: there are hundreds of accounts, and none of them is about its password.
pub(crate) const CHEAP_HASHES: [(&str, &str); 2] =
    [("WATCHME_PASSWORD_MEMORY", "8"), ("WATCHME_PASSWORD_PASSES", "1")];

/// Those whose token does not count, each of them once an admin.
pub(crate) struct Stale {
    expired: Client,
    disabled: Client,
    ended: Client,
}

impl Stale {
    /// A service with the three of them. Their times are seconds, so it is started twice.
    pub(crate) async fn at_a_service() -> (TestApp, Self) {
        let brief = [&CHEAP_HASHES[..], &[("WATCHME_ACCESS_TOKEN_TTL", "1s")]].concat();
        let app = TestApp::start_with(&brief).await;
        let early = app.client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        let app = app.restart_with(&CHEAP_HASHES).await;
        let expired = early.at(&app.client);
        let disabled = account(&app, true).await;
        let ended = account(&app, true).await;
        let status = json!({ "status": "disabled" });
        let root = app.admin().await;
        root.patch(&format!("/admin/users/{}", disabled.id), &status).await.expect(200);
        ended.post("/auth/logout", &json!({})).await.expect(204);
        ended.get("/users/me").await.problem(401, "session_ended");
        // Clocks may differ by some seconds: until then the token counts.
        while expired.get("/users/me").await.status != 401 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        expired.get("/users/me").await.problem(401, "token_expired");
        disabled.get("/users/me").await.problem(401, "account_inactive");
        (app, Self { expired, disabled, ended })
    }
}

/// Three accounts of one request. All hold the package; only the owner has watched something.
pub(crate) struct Cast {
    pub(crate) owner: Client,
    pub(crate) other: Client,
    pub(crate) admin: Client,
    pub(crate) package: String,
}

impl Cast {
    pub(crate) async fn new(app: &TestApp) -> Self {
        let (owner, other) = (account(app, false).await, account(app, false).await);
        let admin = account(app, true).await;
        let package = admin.make_package(&unique("Package"), &[DRAMA]).await;
        for who in [&owner, &other, &admin] {
            who.subscribe(&package).await;
        }
        Self { owner, other, admin, package }
    }

    pub(crate) fn client<'a>(&'a self, caller: Caller, stale: &'a Stale) -> Client {
        match caller {
            Caller::Anonymous => self.owner.nobody(),
            Caller::Expired => stale.expired.clone(),
            Caller::Disabled => stale.disabled.clone(),
            Caller::Ended => stale.ended.clone(),
            Caller::Other => self.other.clone(),
            Caller::Owner => self.owner.clone(),
            Caller::Admin => self.admin.clone(),
        }
    }
}

/// A name that nothing else has.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("{what} {}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn account(app: &TestApp, admin: bool) -> Client {
    let email = format!("{}@example.com", unique("cast").replace(' ', "-"));
    let form = json!({ "email": email, "password": USER_PASSWORD, "name": "Cast" });
    let made = app.client.post("/auth/register", &form).await.expect(201);
    if admin {
        let path = format!("/admin/users/{}", made["id"].as_str().unwrap());
        app.admin().await.patch(&path, &json!({ "role": "admin" })).await.expect(200);
    }
    app.client.login(&email, USER_PASSWORD).await
}
