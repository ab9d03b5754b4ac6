//! Who holds which package, from when until when.

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

async fn entitled(user: &Client) -> Vec<i64> {
    let found = user.get("/entitlements").await.expect(200);
    found["genres"].as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

fn in_hours(hours: i64) -> String {
    (Timestamp::now() + hours.hours()).to_string()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().expect("a time").parse().unwrap()
}

#[tokio::test]
async fn a_user_subscribes_and_the_next_request_sees_it() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let package = app.admin().await.make_package("One", &[18]).await;
    assert!(entitled(&user).await.is_empty());
    let before = Timestamp::now();
    let made = user.post("/subscriptions", &json!({ "packageId": package })).await;
    let subscription = made.expect(201);
    let id = subscription["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/subscriptions/{id}"));
    assert_eq!(subscription["userId"], user.id);
    let held = json!({ "id": package, "name": "One", "version": 1 });
    assert_eq!((&subscription["package"], &subscription["endsAt"]), (&held, &Value::Null));
    assert!((time(&subscription["startsAt"]) - before).get_seconds().abs() < 30);
    assert_eq!(entitled(&user).await, [18]);
    assert_eq!(user.get("/subscriptions").await.data(), [subscription]);
    assert!(other.get("/subscriptions").await.data().is_empty());
    assert!(entitled(&other).await.is_empty());
    app.client.get("/subscriptions").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn one_package_is_held_once_at_a_time() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let package = admin.make_package("One", &[18]).await;
    let body = json!({ "packageId": package });
    let all = (0..8).map(|_| user.post("/subscriptions", &body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "already_subscribed");
    }
    let for_user = format!("/users/{}/subscriptions", user.id);
    admin.post(&for_user, &body).await.problem(409, "already_subscribed");
    // Other packages and other users are free.
    user.subscribe(&admin.package("Arthouse").await).await;
    app.user().await.subscribe(&package).await;
    // It can be had again when it has ended.
    let first = user.get("/subscriptions").await.data();
    let first = first.iter().find(|it| it["package"]["id"] == package.as_str()).unwrap();
    user.delete(&format!("/subscriptions/{}", first["id"].as_str().unwrap())).await.expect(204);
    user.subscribe(&package).await;
    assert_eq!(user.get("/subscriptions").await.data().len(), 3, "what has ended is still listed");
}

#[tokio::test]
async fn every_change_is_seen_by_the_very_next_request() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let package = app.admin().await.make_package("One", &[18]).await;
    // Often: what is forgotten too late is mostly forgotten in time.
    for _ in 0..20 {
        let id = user.subscribe(&package).await;
        assert_eq!(entitled(&user).await, [18]);
        user.delete(&format!("/subscriptions/{id}")).await.expect(204);
        assert!(entitled(&user).await.is_empty());
    }
}

#[tokio::test]
async fn a_cancelled_subscription_ends_now() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[18]).await;
    let held = &user.get("/subscriptions").await.data()[0];
    let path = format!("/subscriptions/{}", held["id"].as_str().unwrap());
    assert_eq!(entitled(&user).await, [18]);
    user.delete(&path).await.expect(204);
    assert!(entitled(&user).await.is_empty());
    let ended = &user.get("/subscriptions").await.data()[0];
    let ends_at = time(&ended["endsAt"]);
    assert!(ends_at <= Timestamp::now());
    // Again: it stays as it is.
    user.delete(&path).await.expect(204);
    user.delete(&format!("{path}?endsAt={}", in_hours(5))).await.expect(204);
    assert_eq!(time(&user.get("/subscriptions").await.data()[0]["endsAt"]), ends_at);
    assert!(entitled(&user).await.is_empty());
}

#[tokio::test]
async fn a_subscription_can_be_cancelled_for_later() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[18]).await;
    let path = {
        let held = user.get("/subscriptions").await.data();
        format!("/subscriptions/{}", held[0]["id"].as_str().unwrap())
    };
    let end = in_hours(24);
    user.delete(&format!("{path}?endsAt={end}")).await.expect(204);
    let held = &user.get("/subscriptions").await.data()[0];
    let off = time(&held["endsAt"]) - end.parse::<Timestamp>().unwrap();
    assert!(off.get_seconds().abs() < 1, "{held}");
    assert_eq!(entitled(&user).await, [18]);
    let again = json!({ "packageId": held["package"]["id"] });
    user.post("/subscriptions", &again).await.problem(409, "already_subscribed");
    for bad in ["endsAt=tomorrow", "endsAt=", "endsAt=2026-13-01T00:00:00Z", "endsat=x", "x=1"] {
        user.delete(&format!("{path}?{bad}")).await.problem(400, "invalid_query");
    }
    user.delete(&path).await.expect(204);
    assert!(entitled(&user).await.is_empty());
}

#[tokio::test]
async fn a_cancellation_neither_prolongs_nor_reaches_back() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[18]).await;
    let held = user.get("/subscriptions").await.data();
    let path = format!("/subscriptions/{}", held[0]["id"].as_str().unwrap());
    let ends_at = async || time(&user.get("/subscriptions").await.data()[0]["endsAt"]);
    user.delete(&format!("{path}?endsAt={}", in_hours(2))).await.expect(204);
    let first = ends_at().await;
    user.delete(&format!("{path}?endsAt={}", in_hours(4))).await.expect(204);
    assert_eq!(ends_at().await, first);
    user.delete(&format!("{path}?endsAt={}", in_hours(1))).await.expect(204);
    assert!(ends_at().await < first);
    let before = Timestamp::now();
    user.delete(&format!("{path}?endsAt={}", in_hours(-4))).await.expect(204);
    assert!((ends_at().await - before).get_seconds().abs() < 30, "it ends now, not in the past");
    assert!(entitled(&user).await.is_empty());
}

#[tokio::test]
async fn a_subscription_to_come_is_in_the_way_of_one_that_would_meet_it() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let package = admin.make_package("One", &[18]).await;
    let path = format!("/users/{}/subscriptions", user.id);
    let body = json!({ "packageId": package, "startsAt": in_hours(2) });
    let later = admin.post(&path, &body).await.expect(201);
    let open = json!({ "packageId": package });
    user.post("/subscriptions", &open).await.problem(409, "already_subscribed");
    let meets = json!({ "packageId": package, "endsAt": in_hours(3) });
    admin.post(&path, &meets).await.problem(409, "already_subscribed");
    // Cancelled before it began, it is in nobody's way.
    let cancelled = format!("/subscriptions/{}", later["id"].as_str().unwrap());
    user.delete(&cancelled).await.expect(204);
    // One begins at the moment at which another ends: they do not meet.
    let moment = in_hours(1);
    let after = json!({ "packageId": package, "startsAt": moment });
    admin.post(&path, &after).await.expect(201);
    let before = json!({ "packageId": package, "endsAt": moment });
    admin.post(&path, &before).await.expect(201);
    assert_eq!(entitled(&user).await, [18]);
}

#[tokio::test]
async fn a_subscription_belongs_to_its_user_and_the_operator() {
    let app = TestApp::start().await;
    let (user, other, admin) = (app.subscriber(&[18]).await, app.user().await, app.admin().await);
    let held = user.get("/subscriptions").await.data();
    let path = format!("/subscriptions/{}", held[0]["id"].as_str().unwrap());
    other.delete(&path).await.problem(404, "subscription_not_found");
    other.delete(&format!("{path}?endsAt=x")).await.problem(404, "subscription_not_found");
    app.client.delete(&path).await.problem(401, "unauthenticated");
    assert_eq!(entitled(&user).await, [18]);
    for missing in ["01900000-0000-7000-8000-000000000000", "1"] {
        let answer = admin.delete(&format!("/subscriptions/{missing}")).await;
        answer.problem(404, "subscription_not_found");
    }
    admin.delete(&path).await.expect(204);
    assert!(entitled(&user).await.is_empty());
}

#[tokio::test]
async fn an_admin_subscribes_anybody_for_any_time() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let path = format!("/users/{}/subscriptions", user.id);
    let [now, later, past] = [
        admin.make_package("Now", &[18]).await,
        admin.make_package("Later", &[28]).await,
        admin.make_package("Past", &[35]).await,
    ];
    user.post(&path, &json!({ "packageId": now })).await.problem(403, "admin_only");
    user.get(&path).await.problem(403, "admin_only");
    let made = admin.post(&path, &json!({ "packageId": now, "endsAt": in_hours(1) })).await;
    assert_eq!(made.expect(201)["userId"], user.id);
    assert_eq!(entitled(&user).await, [18]);
    let body = json!({ "packageId": later, "startsAt": in_hours(1) });
    admin.post(&path, &body).await.expect(201);
    let body = json!({ "packageId": past, "startsAt": in_hours(-2), "endsAt": in_hours(-1) });
    admin.post(&path, &body).await.expect(201);
    assert_eq!(entitled(&user).await, [18], "what is past or to come permits nothing");
    let all = admin.get(&path).await.data();
    assert_eq!(all.len(), 3);
    assert_eq!(user.get("/subscriptions").await.data(), all);

    let nobody = "/users/01900000-0000-7000-8000-000000000000/subscriptions";
    admin.get(nobody).await.problem(404, "user_not_found");
    admin.post(nobody, &json!(1)).await.problem(404, "user_not_found");
    let unknown = json!({ "packageId": "01900000-0000-7000-8000-000000000000" });
    admin.post(&path, &unknown).await.problem(404, "package_not_found");
    for (field, body) in [
        ("packageId", json!({})),
        ("packageId", json!({ "packageId": "x" })),
        ("packageId", json!({ "packageId": 1 })),
        ("startsAt", json!({ "packageId": now, "startsAt": "soon" })),
        ("endsAt", json!({ "packageId": now, "endsAt": "2027-01-01" })),
        ("endsAt", json!({ "packageId": now, "endsAt": in_hours(-1) })),
        ("userId", json!({ "packageId": now, "userId": user.id })),
    ] {
        admin.post(&path, &body).await.invalid(field);
    }
}

#[tokio::test]
async fn a_user_chooses_the_package_and_nothing_else() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let package = user.package("Arthouse").await;
    for (field, body) in [
        ("packageId", json!({})),
        ("packageId", json!({ "packageId": null })),
        ("packageId", json!({ "packageId": "Arthouse" })),
        ("userId", json!({ "packageId": package, "userId": user.id })),
        ("endsAt", json!({ "packageId": package, "endsAt": in_hours(1) })),
        ("startsAt", json!({ "packageId": package, "startsAt": in_hours(-1) })),
    ] {
        user.post("/subscriptions", &body).await.invalid(field);
    }
    let unknown = json!({ "packageId": "01900000-0000-7000-8000-000000000000" });
    user.post("/subscriptions", &unknown).await.problem(404, "package_not_found");
    assert!(user.get("/subscriptions").await.data().is_empty());
}

#[tokio::test]
async fn self_service_can_be_switched_off() {
    let app = TestApp::start_with(&[("WATCHME_SELF_SERVICE", "off")]).await;
    let (user, admin) = (app.user().await, app.admin().await);
    let package = user.package("Arthouse").await;
    let body = json!({ "packageId": package });
    user.post("/subscriptions", &body).await.problem(403, "self_service_off");
    user.post("/subscriptions", &json!([])).await.problem(403, "self_service_off");
    admin.post(&format!("/users/{}/subscriptions", user.id), &body).await.expect(201);
    assert_eq!(user.get("/subscriptions").await.data().len(), 1);
    assert_eq!(entitled(&user).await, [18, 36, 99, 10402, 10749]);
}
