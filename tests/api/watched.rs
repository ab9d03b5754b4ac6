//! `/watched`: marks.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oracle::{
        AMERICAN_BEAUTY, COMEDY, DRAMA, FIGHT_CLUB, FORREST_GUMP, HORROR, STAR_WARS, assert_fields,
        check_page, walk,
    },
    support::{Client, TestApp},
};

async fn cancel_all(user: &Client) {
    for held in user.get("/subscriptions").await.data() {
        let answer = user.delete(&format!("/subscriptions/{}", held["id"].as_str().unwrap())).await;
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
    }
}

fn seconds(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn marking_twice_is_the_same_as_marking_once() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.get("/watched/550").await.problem(404, "not_watched");
    let before = jiff::Timestamp::now().as_second();
    let first = user.put("/watched/550", &json!({})).await;
    let mark = first.expect(201);
    assert_eq!(first.header("location"), "/api/v1/watched/550");
    assert_fields(&mark, &["movieId", "title", "genres", "watchedAt", "plays", "markedAt"]);
    assert_eq!(mark["movieId"], 550);
    assert_eq!(mark["title"], "Fight Club");
    assert_eq!(mark["genres"], json!([{ "id": 18, "name": "Drama" }]));
    for time in ["watchedAt", "markedAt"] {
        assert!((before..=before + 30).contains(&seconds(&mark[time])), "{mark}");
        assert!(mark[time].as_str().unwrap().ends_with('Z'), "{mark}");
    }
    let plays = mark["plays"].as_array().unwrap();
    assert_eq!(plays.len(), 1);
    assert_fields(&plays[0], &["id", "watchedAt", "precision"]);
    assert_eq!(plays[0]["watchedAt"], mark["watchedAt"]);
    assert_eq!(plays[0]["precision"], "second");
    for _ in 0..2 {
        assert_eq!(user.put("/watched/550", &json!({})).await.expect(200), mark);
    }
    assert_eq!(user.get("/watched/550").await.expect(200), mark);
    assert_eq!(user.get("/watched").await.data(), [mark]);
    assert_eq!(user.get("/reports/me").await.expect(200)["totalFilmsWatched"], 1);
}

#[tokio::test]
async fn a_mark_needs_no_body_but_takes_only_its_own() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let put = |headers: &'static [(&'static str, &'static str)], body: Option<&'static str>| {
        let (user, body) = (user.clone(), body.map(|it| it.as_bytes().to_vec()));
        async move { user.send(Method::PUT, "/watched/550", headers, body).await.unwrap() }
    };
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    for broken in ["{", "nonsense", "{\"watchedAt\":}", "{}{}"] {
        put(JSON, Some(broken)).await.problem(400, "malformed_json");
    }
    put(&[("content-type", "text/plain")], Some("{}")).await.problem(415, "unsupported_media_type");
    for wrong in ["[]", "\"2026-03-01\"", "7", "{\"watchedAt\":7}"] {
        put(JSON, Some(wrong)).await.problem(422, "validation_failed");
    }
    put(JSON, Some("{\"when\":\"2026-03-01\"}")).await.invalid("when");
    let large = format!("{{\"watchedAt\":\"{}\"}}", "x".repeat(70_000));
    let large = user.send(Method::PUT, "/watched/550", JSON, Some(large.into_bytes())).await;
    large.unwrap().problem(413, "body_too_large");
    user.get("/watched/550").await.problem(404, "not_watched");
    put(&[], None).await.expect(201);
    put(JSON, Some("{}")).await.expect(200);
    put(JSON, Some("{\"watchedAt\":null}")).await.invalid("watchedAt");
    put(&[("content-type", "application/json; charset=utf-8")], Some("{}")).await.expect(200);
}

#[tokio::test]
async fn a_date_is_noon_utc_with_its_precision_kept() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for (given, shown, precision) in [
        ("2020-02-29", "2020-02-29T12:00:00Z", "day"),
        ("1900-01-01", "1900-01-01T12:00:00Z", "day"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "second"),
        ("2020-03-01T20:15:00Z", "2020-03-01T20:15:00Z", "second"),
        ("2020-03-01T01:15:00+02:00", "2020-02-29T23:15:00Z", "second"),
        ("2020-02-29T23:15:00-05:30", "2020-03-01T04:45:00Z", "second"),
    ] {
        let body = json!({ "watchedAt": given });
        let mark = user.put("/watched/550", &body).await.expect(201);
        assert_eq!(mark["watchedAt"], shown, "{given}");
        assert_eq!(mark["plays"][0]["watchedAt"], shown, "{given}");
        assert_eq!(mark["plays"][0]["precision"], precision, "{given}");
        assert_eq!(user.get("/watched/550").await.expect(200), mark, "{given}");
        user.delete("/watched/550").await.expect(204);
    }
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(23);
    let body = json!({ "watchedAt": soon.to_string() });
    user.put("/watched/550", &body).await.expect(201);
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(25);
    for bad in [
        later.to_string(),
        "1899-12-31".to_owned(),
        "1899-12-31T23:59:59Z".to_owned(),
        "9999-12-31".to_owned(),
        String::new(),
        "yesterday".to_owned(),
        "2020-02-30".to_owned(),
        "2020-13-01".to_owned(),
        "2020-03-01T20:15:00".to_owned(),
        "2020-03-01T25:15:00Z".to_owned(),
        "x".repeat(10_000),
    ] {
        user.put("/watched/550", &json!({ "watchedAt": bad })).await.invalid("watchedAt");
        user.post("/watched/550/plays", &json!({ "watchedAt": bad })).await.invalid("watchedAt");
    }
}

#[tokio::test]
async fn marking_again_corrects_the_latest_play() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let first = user.put("/watched/550", &json!({ "watchedAt": "2020-03-01" })).await.expect(201);
    let corrected =
        user.put("/watched/550", &json!({ "watchedAt": "2020-03-05T10:00:00Z" })).await.expect(200);
    assert_eq!(corrected["watchedAt"], "2020-03-05T10:00:00Z");
    assert_eq!(corrected["plays"].as_array().unwrap().len(), 1, "corrected, not added");
    assert_eq!(corrected["plays"][0]["precision"], "second");
    assert_eq!(corrected["markedAt"], first["markedAt"]);
    // The same again, and none at all, change nothing.
    let same = json!({ "watchedAt": "2020-03-05T10:00:00Z" });
    assert_eq!(user.put("/watched/550", &same).await.expect(200), corrected);
    assert_eq!(user.put("/watched/550", &json!({})).await.expect(200), corrected);
    // Only the latest: an earlier play stays as it is.
    let added = json!({ "watchedAt": "2019-01-01" });
    user.post("/watched/550/plays", &added).await.expect(201);
    let mark = user.put("/watched/550", &json!({ "watchedAt": "2020-06-01" })).await.expect(200);
    let times: Vec<&Value> =
        mark["plays"].as_array().unwrap().iter().map(|play| &play["watchedAt"]).collect();
    assert_eq!(times, ["2020-06-01T12:00:00Z", "2019-01-01T12:00:00Z"]);
    // Corrected to before the other one: that one is the latest now.
    let mark = user.put("/watched/550", &json!({ "watchedAt": "2018-06-01" })).await.expect(200);
    assert_eq!(mark["watchedAt"], "2019-01-01T12:00:00Z");
    assert_eq!(mark["plays"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_permitted_or_not_there_cannot_be_marked() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.put("/watched/11", &json!({})).await.problem(403, "movie_not_entitled");
    app.user().await.put("/watched/550", &json!({})).await.problem(403, "movie_not_entitled");
    for id in ["2000000000", "0", "-5", "abc", "99999999999"] {
        let path = format!("/watched/{id}");
        user.put(&path, &json!({})).await.problem(404, "movie_not_found");
    }
    // Whether one may comes before the form.
    let bad = json!({ "watchedAt": "never" });
    user.put("/watched/11", &bad).await.problem(403, "movie_not_entitled");
    user.put("/watched/2000000000", &bad).await.problem(404, "movie_not_found");
    let broken = user.send(
        Method::PUT,
        "/watched/11",
        &[("content-type", "application/json")],
        Some(b"{".to_vec()),
    );
    broken.await.unwrap().problem(403, "movie_not_entitled");
    app.client.put("/watched/11", &bad).await.problem(401, "unauthenticated");
    assert!(user.get("/watched").await.data().is_empty());
    assert_eq!(user.get("/reports/me").await.expect(200)["totalFilmsWatched"], 0);
}

#[tokio::test]
async fn history_outlives_the_package() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for id in [FIGHT_CLUB, AMERICAN_BEAUTY] {
        let body = json!({ "watchedAt": "2020-03-01" });
        user.put(&format!("/watched/{id}"), &body).await.expect(201);
    }
    let report = user.get("/reports/me").await.expect(200);
    cancel_all(&user).await;
    user.get("/movies/550").await.problem(403, "movie_not_entitled");
    assert_eq!(user.get("/watched").await.data().len(), 2);
    assert_eq!(user.get("/reports/me").await.expect(200), report);
    // Marking again, correcting and unmarking need no entitlement; a new mark does.
    user.put("/watched/550", &json!({})).await.expect(200);
    let mark = user.put("/watched/550", &json!({ "watchedAt": "2020-04-01" })).await.expect(200);
    assert_eq!(mark["watchedAt"], "2020-04-01T12:00:00Z");
    user.post("/watched/550/plays", &json!({})).await.expect(201);
    user.delete("/watched/550").await.expect(204);
    user.put("/watched/550", &json!({})).await.problem(403, "movie_not_entitled");
    assert_eq!(user.get("/watched").await.data().len(), 1);
}

#[tokio::test]
async fn unmarking_is_the_same_when_there_was_nothing() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    user.put("/watched/550", &json!({})).await.expect(201);
    for _ in 0..2 {
        let answer = user.delete("/watched/550").await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
        user.get("/watched/550").await.problem(404, "not_watched");
    }
    // Neither permitted nor known.
    assert_eq!(user.delete("/watched/11").await.status, 204);
    assert_eq!(user.delete("/watched/2000000000").await.status, 204);
    user.delete("/watched/abc").await.problem(404, "movie_not_found");
    user.put("/watched/550", &json!({})).await.expect(201);
    app.client.delete("/watched/550").await.problem(401, "unauthenticated");
    // One's marks are one's own.
    let other = app.subscriber(&[DRAMA]).await;
    assert_eq!(other.delete("/watched/550").await.status, 204);
    other.get("/watched/550").await.problem(404, "not_watched");
    user.get("/watched/550").await.expect(200);
}

#[tokio::test]
async fn the_history_is_filtered_and_paged_latest_first() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, COMEDY, HORROR]).await;
    let movies = user.get("/movies?pageSize=25").await.data();
    for (n, movie) in movies.iter().enumerate() {
        // Pairs share a moment.
        let body = json!({ "watchedAt": format!("2020-03-{:02}T10:00:00Z", n / 2 + 1) });
        user.put(&format!("/watched/{}", movie["id"]), &body).await.expect(201);
    }
    let all = walk(&user, "/watched", 4).await;
    assert_eq!(all.len(), 25);
    assert_eq!(walk(&user, "/watched", 100).await, all, "the order is total");
    let times: Vec<&str> = all.iter().map(|mark| mark["watchedAt"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    // Of a pair, the later mark comes first.
    assert_eq!(all[0]["movieId"], movies[24]["id"]);
    assert_eq!(all[1]["movieId"], movies[23]["id"]);

    let has = |genre: i64| {
        let of =
            |mark: &Value| mark["genres"].as_array().unwrap().iter().any(|it| it["id"] == genre);
        all.iter().filter(|mark| of(mark)).cloned().collect::<Vec<_>>()
    };
    for genre in [DRAMA, COMEDY, HORROR] {
        assert_eq!(walk(&user, &format!("/watched?genreId={genre}"), 3).await, has(genre));
    }
    let between = |from: &str, to: &str| {
        let inside = |mark: &&Value| (from..to).contains(&mark["watchedAt"].as_str().unwrap());
        all.iter().filter(inside).cloned().collect::<Vec<_>>()
    };
    for (query, from, to) in [
        ("from=2020-03-05", "2020-03-05T00", "9"),
        ("to=2020-03-05", "0", "2020-03-06T00"),
        ("from=2020-03-05&to=2020-03-05", "2020-03-05T00", "2020-03-06T00"),
        ("from=2020-03-05T10:00:00Z", "2020-03-05T10:00:00Z", "9"),
        ("from=2020-03-05T10:00:01Z", "2020-03-05T10:00:01Z", "9"),
        ("to=2020-03-05T10:00:00Z", "0", "2020-03-05T10:00:00Z"),
        ("from=2020-03-07&to=2020-03-05", "1", "1"),
        ("to=9999-12-31", "0", "9"),
        ("from=0001-01-01", "0", "9"),
    ] {
        assert_eq!(
            walk(&user, &format!("/watched?{query}"), 5).await,
            between(from, to),
            "{query}"
        );
    }
    let beyond = user.get("/watched?pageNumber=9").await.expect(200);
    check_page(&beyond, 9, 10, 25);
    let none = app.user().await.get("/watched").await.expect(200);
    check_page(&none, 1, 10, 0);
    for (bad, field) in [
        ("genreId=x", "genreId"),
        ("from=soon", "from"),
        ("to=2020-02-30", "to"),
        ("pageSize=0", "pageSize"),
        ("sort=title", "sort"),
    ] {
        let problem = user.get(&format!("/watched?{bad}")).await.problem(400, "invalid_query");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    app.client.get("/watched").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn simultaneous_marks_make_one() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, COMEDY]).await;
    let ids = [FIGHT_CLUB, FORREST_GUMP];
    let body = json!({});
    let requests = (0..20).map(|n| {
        let (user, body) = (&user, &body);
        async move { user.put(&format!("/watched/{}", ids[n % 2]), body).await.status }
    });
    let mut statuses = futures_util::future::join_all(requests).await;
    statuses.sort_unstable();
    assert_eq!(statuses[..18], [200; 18]);
    assert_eq!(statuses[18..], [201; 2]);
    assert_eq!(user.get("/watched").await.data().len(), 2);
    let mark = user.get("/watched/550").await.expect(200);
    assert_eq!(mark["plays"].as_array().unwrap().len(), 1);
    assert_eq!(user.get("/reports/me").await.expect(200)["totalFilmsWatched"], 2);
    // The details of another user's view of a movie do not change.
    let other = app.subscriber(&[DRAMA]).await;
    other.get(&format!("/watched/{STAR_WARS}")).await.problem(404, "not_watched");
}
