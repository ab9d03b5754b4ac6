//! `/watched/{movieId}/plays`: viewings.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oracle::{DRAMA, assert_fields},
    support::{Client, TestApp},
};

fn times(mark: &Value) -> Vec<String> {
    let plays = mark["plays"].as_array().unwrap().iter();
    plays.map(|play| play["watchedAt"].as_str().unwrap()[..10].to_owned()).collect()
}

async fn add(user: &Client, at: &str) -> String {
    let play = user.post("/watched/550/plays", &json!({ "watchedAt": at })).await.expect(201);
    play["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_latest_play_is_when_it_was_watched() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.put("/watched/550", &json!({ "watchedAt": "2020-03-10" })).await.expect(201);
    let answer = user.post("/watched/550/plays", &json!({ "watchedAt": "2020-03-01" })).await;
    let early = answer.expect(201);
    assert_fields(&early, &["id", "watchedAt", "precision"]);
    assert_eq!(early["watchedAt"], "2020-03-01T12:00:00Z");
    assert_eq!(early["precision"], "day");
    let early = early["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/watched/550/plays/{early}"));
    let late = add(&user, "2020-03-20T08:00:00Z").await;
    let mark = user.get("/watched/550").await.expect(200);
    assert_eq!(times(&mark), ["2020-03-20", "2020-03-10", "2020-03-01"]);
    assert_eq!(mark["watchedAt"], "2020-03-20T08:00:00Z");
    assert_eq!(mark["plays"][0]["id"], late);
    let gone = user.delete(&format!("/watched/550/plays/{late}")).await;
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    let mark = user.get("/watched/550").await.expect(200);
    assert_eq!(times(&mark), ["2020-03-10", "2020-03-01"]);
    assert_eq!(mark["watchedAt"], "2020-03-10T12:00:00Z");
    user.delete(&format!("/watched/550/plays/{early}")).await.expect(204);
    // Deleted is deleted.
    user.delete(&format!("/watched/550/plays/{early}")).await.problem(404, "play_not_found");
    let last = user.get("/watched/550").await.json()["plays"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(user.get("/reports/me").await.json()["totalFilmsWatched"], 1);
    user.delete(&format!("/watched/550/plays/{last}")).await.expect(204);
    // The last one takes the mark with it.
    user.get("/watched/550").await.problem(404, "not_watched");
    assert_eq!(user.get("/reports/me").await.json()["totalFilmsWatched"], 0);
    user.delete(&format!("/watched/550/plays/{last}")).await.problem(404, "not_watched");
}

#[tokio::test]
async fn plays_count_a_movie_once_and_move_the_last_film() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.put("/watched/550", &json!({ "watchedAt": "2020-03-01" })).await.expect(201);
    user.put("/watched/14", &json!({ "watchedAt": "2020-03-05" })).await.expect(201);
    let last = async || user.get("/reports/me").await.json()["lastFilmWatched"]["movieId"].clone();
    assert_eq!(last().await, 14);
    let play = add(&user, "2020-03-09").await;
    assert_eq!(last().await, 550);
    add(&user, "2020-02-01").await;
    assert_eq!(last().await, 550);
    let report = user.get("/reports/me").await.expect(200);
    assert_eq!(report["totalFilmsWatched"], 2);
    assert_eq!(report["mostWatchedTheme"]["totalFilmsWatched"], 2);
    user.delete(&format!("/watched/550/plays/{play}")).await.expect(204);
    assert_eq!(last().await, 14);
}

#[tokio::test]
async fn a_play_needs_a_mark_and_a_good_form() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let bad = json!({ "watchedAt": "never" });
    user.post("/watched/550/plays", &json!({})).await.problem(404, "not_watched");
    // What is there comes before the form.
    user.post("/watched/550/plays", &bad).await.problem(404, "not_watched");
    user.put("/watched/550", &json!({})).await.expect(201);
    user.post("/watched/550/plays", &bad).await.invalid("watchedAt");
    user.post("/watched/550/plays", &json!({ "at": 1 })).await.invalid("at");
    let broken = (Method::POST, "/watched/550/plays", [("content-type", "application/json")]);
    let answer = user.send(broken.0, broken.1, &broken.2, Some(b"{".to_vec())).await.unwrap();
    answer.problem(400, "malformed_json");
    app.client.post("/watched/550/plays", &bad).await.problem(401, "unauthenticated");
    user.post("/watched/abc/plays", &json!({})).await.problem(404, "movie_not_found");
    for play in ["nonsense", "0190f5fe-7c00-7a00-8000-000000000004"] {
        let path = format!("/watched/550/plays/{play}");
        user.delete(&path).await.problem(404, "play_not_found");
    }
    // An empty body is now.
    let now = user.send(Method::POST, "/watched/550/plays", &[], None).await.unwrap().expect(201);
    assert_eq!(now["precision"], "second");
    assert_eq!(user.get("/watched/550").await.json()["plays"].as_array().unwrap().len(), 2);
    // Nobody else's plays can be touched.
    let play = now["id"].as_str().unwrap();
    let other = app.subscriber(&[DRAMA]).await;
    other.delete(&format!("/watched/550/plays/{play}")).await.problem(404, "not_watched");
    other.put("/watched/550", &json!({})).await.expect(201);
    other.delete(&format!("/watched/550/plays/{play}")).await.problem(404, "play_not_found");
    assert_eq!(user.get("/watched/550").await.json()["plays"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_retry_with_its_key_adds_one_play() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let key = [("idempotency-key", "one-viewing")];
    let body = json!({ "watchedAt": "2020-03-01" });
    // 4xx are not stored: the key is still free afterwards.
    user.post_with("/watched/550/plays", &key, &body).await.problem(404, "not_watched");
    user.put("/watched/550", &json!({ "watchedAt": "2020-01-01" })).await.expect(201);
    let both = tokio::join!(
        user.post_with("/watched/550/plays", &key, &body),
        user.post_with("/watched/550/plays", &key, &body),
    );
    assert_eq!(both.0.expect(201), both.1.expect(201));
    let again = user.post_with("/watched/550/plays", &key, &body).await;
    assert_eq!(again.expect(201), both.0.json());
    assert_eq!(again.header("location"), both.0.header("location"));
    let other = json!({ "watchedAt": "2020-03-02" });
    let reused = user.post_with("/watched/550/plays", &key, &other).await;
    reused.problem(422, "idempotency_key_reused");
    assert_eq!(times(&user.get("/watched/550").await.json()), ["2020-03-01", "2020-01-01"]);
    // A key is its caller's.
    let stranger = app.subscriber(&[DRAMA]).await;
    stranger.put("/watched/550", &json!({})).await.expect(201);
    let theirs = stranger.post_with("/watched/550/plays", &key, &body).await.expect(201);
    assert_ne!(theirs, both.0.json());
    let long = "x".repeat(201);
    for bad in ["", long.as_str()] {
        let refused =
            user.post_with("/watched/550/plays", &[("idempotency-key", bad)], &body).await;
        refused.problem(400, "invalid_header");
    }
}

#[tokio::test]
async fn plays_need_no_entitlement() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.put("/watched/550", &json!({ "watchedAt": "2020-03-01" })).await.expect(201);
    let held = user.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(user.delete(&format!("/subscriptions/{held}")).await.status / 100, 2);
    let play = add(&user, "2020-04-01").await;
    user.delete(&format!("/watched/550/plays/{play}")).await.expect(204);
    assert_eq!(times(&user.get("/watched/550").await.json()), ["2020-03-01"]);
}
