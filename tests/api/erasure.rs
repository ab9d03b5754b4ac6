//! Deleting an account removes everything that belongs to it, from every store.

use std::time::Duration;

use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::{
    oracle::{DRAMA, FIGHT_CLUB},
    support::{Client, TestApp, app::USER_PASSWORD, places::Places},
};

/// Waits until no event waits to be published.
async fn relayed(app: &TestApp) {
    let empty = async {
        while app.handles.relay.backlog().await.unwrap().events > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), empty).await.expect("every event is relayed");
}

/// A user with something in every table; the package that the user holds.
async fn live(app: &TestApp) -> (Client, String) {
    let user = app.subscriber(&[DRAMA]).await;
    let admin = app.admin().await;
    for id in [FIGHT_CLUB, 13, 14] {
        let body = json!({ "watchedAt": "2020-03-01" });
        user.put(&format!("/watched/{id}"), &body).await.expect(201);
    }
    let key = [("idempotency-key", "theirs")];
    user.post_with("/watched/550/plays", &key, &json!({})).await.expect(201);
    user.delete("/watched/14").await.expect(204);
    let package = admin.make_package(&format!("Another for {}", user.id), &[DRAMA]).await;
    // An answer that somebody else asked for, but that is about this user.
    let path = format!("/users/{}/subscriptions", user.id);
    let key = format!("for-{}", user.id);
    let key = [("idempotency-key", key.as_str())];
    admin.post_with(&path, &key, &json!({ "packageId": package })).await.expect(201);
    assert_eq!(user.get("/reports/me").await.expect(200)["totalFilmsWatched"], 2);
    relayed(app).await;
    (user, package)
}

#[tokio::test]
async fn nothing_of_a_deleted_account_stays_in_any_store() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for deleted_by_admin in [false, true] {
        let (user, package) = live(&app).await;
        let me = user.get("/users/me").await.expect(200);
        let email = me["email"].as_str().unwrap().to_owned();
        let stores = Places::of(&app).await;
        // The search finds what is there.
        for place in [
            "users.id",
            "subscriptions.user_id",
            "marks.user_id",
            "outbox.user_id",
            "idempotency_keys.owner",
            "audit_log.subject_id",
        ] {
            assert!(stores.in_sql(&user.id).await.contains(&place.to_owned()), "{place}");
        }
        let projected = async {
            while stores.in_documents(&user.id).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), projected).await.expect("a projection");

        let by = if deleted_by_admin { &admin } else { &user };
        by.delete(&format!("/users/{}", user.id)).await.expect(204);
        relayed(&app).await;

        // What stays is the announcement that the user is gone, and in the audit log by whom what
        // was done: an operator has to answer for it longer than an account lasts.
        let mut left = stores.in_sql(&user.id).await;
        // The packages' names in this test carry the id; they are the operator's.
        left.retain(|place| {
            !place.starts_with("packages.")
                && !place.starts_with("package_versions.")
                && place != "audit_log.after_state"
        });
        left.retain(|place| !["audit_log.actor_id", "audit_log.subject_id"].contains(&&**place));
        assert!(left.iter().all(|place| place.starts_with("outbox.")), "{left:?}");
        let told = "SELECT COUNT(*) FROM audit_log WHERE (actor_id = ? AND address IS NOT NULL)
            OR (subject_id = ? AND COALESCE(before_state, after_state) IS NOT NULL)
            OR (subject_kind <> 'package' AND INSTR(after_state, ?) > 0)";
        let told: i64 = sqlx::query_scalar(told)
            .bind(user.id.clone())
            .bind(user.id.clone())
            .bind(user.id.clone())
            .fetch_one(&stores.sql)
            .await
            .unwrap();
        assert_eq!(told, 0, "the log tells nothing of the person");
        let kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM outbox WHERE user_id = ?")
            .bind(user.id.clone())
            .fetch_all(&stores.sql)
            .await
            .unwrap();
        assert_eq!(kinds, ["erased"]);
        assert_eq!(stores.in_sql(&email).await, [""; 0]);
        // The projection goes when the last event has come to it.
        let gone = async {
            while !stores.in_documents(&user.id).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("no projection stays");

        // To others the user has never been.
        user.get("/users/me").await.problem(401, "account_inactive");
        user.get("/watched").await.problem(401, "account_inactive");
        admin.get(&format!("/users/{}", user.id)).await.problem(404, "user_not_found");
        admin.get(&format!("/reports/users/{}", user.id)).await.problem(404, "user_not_found");
        let path = format!("/users/{}/subscriptions", user.id);
        admin.get(&path).await.problem(404, "user_not_found");
        let reports = admin.get("/reports?pageSize=100").await.data();
        assert!(reports.iter().all(|report| report["userId"] != user.id));
        // What is shared stays.
        admin.get(&format!("/packages/{package}")).await.expect(200);
        // The address is free, and nothing comes back with it.
        let body = json!({ "email": email, "password": USER_PASSWORD, "name": "New" });
        app.client.post("/auth/register", &body).await.expect(201);
        let again = app.client.login(&email, USER_PASSWORD).await;
        assert_ne!(again.id, user.id);
        assert_eq!(again.get("/reports/me").await.expect(200)["totalFilmsWatched"], 0);
        assert!(again.get("/subscriptions").await.data().is_empty());
    }
}

#[tokio::test]
async fn other_accounts_stay_whole() {
    let app = TestApp::start().await;
    let (gone, package) = live(&app).await;
    let (stays, _) = live(&app).await;
    stays.subscribe(&package).await;
    let before = stays.get("/watched").await.expect(200);
    gone.delete(&format!("/users/{}", gone.id)).await.expect(204);
    assert_eq!(stays.get("/watched").await.expect(200), before);
    assert_eq!(stays.get("/reports/me").await.expect(200)["totalFilmsWatched"], 2);
    assert_eq!(stays.get("/subscriptions").await.data().len(), 3);
    let path = format!("/users/{}", stays.id);
    gone.delete(&path).await.problem(401, "account_inactive");
    app.user().await.delete(&path).await.problem(404, "user_not_found");
    stays.get("/users/me").await.expect(200);
}

/// Marks and a deletion race; whatever order they take, nothing is left.
#[tokio::test]
async fn events_of_users_who_are_gone_are_dropped() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let user = app.subscriber(&[DRAMA]).await;
    let movies = user.get("/movies?pageSize=40").await.data();
    let body = json!({});
    let marks = movies.iter().map(|movie| {
        let (user, body) = (&user, &body);
        async move { user.put(&format!("/watched/{}", movie["id"]), body).await }
    });
    let path = format!("/users/{}", user.id);
    let (marks, deleted) = tokio::join!(futures_util::future::join_all(marks), admin.delete(&path));
    deleted.expect(204);
    for mark in marks {
        assert!(matches!(mark.status, 201 | 401), "{}", mark.text());
    }
    relayed(&app).await;
    let stores = Places::of(&app).await;
    let gone = async {
        while !stores.in_documents(&user.id).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("no projection stays");
    for table in ["marks", "subscriptions"] {
        let query = format!("SELECT COUNT(*) FROM {table} WHERE user_id = ?");
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(user.id.clone())
            .fetch_one(&stores.sql)
            .await
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    // Nobody is poisoned by it.
    let metrics = app.client.get("//metrics").await.text();
    assert!(metrics.contains("watchme_projection_events_total{outcome=\"poisoned\"} 0"));
}
