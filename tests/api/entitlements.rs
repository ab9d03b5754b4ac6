//! What a user may see, and where it comes from.

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn without_a_subscription_nothing_is_permitted() {
    let app = TestApp::start().await;
    app.client.get("/entitlements").await.problem(401, "unauthenticated");
    for who in [app.user().await, app.admin().await] {
        let found = who.get("/entitlements").await.expect(200);
        assert_eq!((&found["genres"], &found["sources"]), (&json!([]), &json!([])));
        assert_eq!(found["mode"], "any");
    }
}

#[tokio::test]
async fn the_entitlement_is_the_union_of_what_the_sources_give() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let one = admin.make_package("One", &[18, 28]).await;
    let two = admin.make_package("Two", &[28, 12]).await;
    let first = user.subscribe(&one).await;
    let second = user.subscribe(&two).await;
    let found = user.get("/entitlements").await.expect(200);
    let union = json!([
        { "id": 12, "name": "Adventure" },
        { "id": 18, "name": "Drama" },
        { "id": 28, "name": "Action" },
    ]);
    assert_eq!(found["genres"], union);
    let source = |id: &str| -> Value {
        let sources = found["sources"].as_array().unwrap();
        sources.iter().find(|it| it["subscriptionId"] == id).expect("a source").clone()
    };
    assert_eq!(found["sources"].as_array().unwrap().len(), 2);
    assert_eq!(source(&first)["package"], json!({ "id": one, "name": "One", "version": 1 }));
    let genres = json!([{ "id": 18, "name": "Drama" }, { "id": 28, "name": "Action" }]);
    assert_eq!(source(&first)["genres"], genres);
    assert_eq!(source(&second)["package"]["name"], "Two");

    // What one subscription gave goes with it; what the other gives too stays.
    user.delete(&format!("/subscriptions/{first}")).await.expect(204);
    let left = user.get("/entitlements").await.expect(200);
    let ids: Vec<_> = left["genres"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [12, 28]);
    assert_eq!(left["sources"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_subscription_ends_by_itself_at_its_moment() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let package = admin.make_package("Short", &[18]).await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(2000);
    let body = json!({ "packageId": package, "endsAt": end.to_string() });
    admin.post(&format!("/users/{}/subscriptions", user.id), &body).await.expect(201);
    let genres = async || user.get("/entitlements").await.expect(200)["genres"].clone();
    let seen = genres().await;
    // A slow machine may come too late for this half.
    assert!(seen != json!([]) || jiff::Timestamp::now() >= end);
    while jiff::Timestamp::now() <= end {
        // Asked all the time, so that whatever is remembered of it stays warm.
        genres().await;
    }
    assert_eq!(genres().await, json!([]));
    // It has ended, so the package can be had again.
    user.subscribe(&package).await;
    assert_ne!(genres().await, json!([]));
}

#[tokio::test]
async fn the_operators_mode_is_shown() {
    let app = TestApp::start_with(&[("WATCHME_ENTITLEMENT_MODE", "all")]).await;
    let user = app.subscriber(&[18]).await;
    let found = user.get("/entitlements").await.expect(200);
    assert_eq!(found["mode"], "all");
    assert_eq!(found["genres"], json!([{ "id": 18, "name": "Drama" }]));
}
