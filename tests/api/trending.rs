//! `/movies/trending`: what is being watched, as far as one may see it.

use serde_json::json;

use crate::{
    movies::MOVIE_FIELDS,
    oracle::{
        ADVENTURE, AMERICAN_BEAUTY, COMEDY, DRAMA, FIGHT_CLUB, FORREST_GUMP, STAR_WARS, WESTERN,
        assert_fields, check_page, ids,
    },
    support::{Client, TestApp},
};

/// Stores and reads what was counted until the list is this one.
async fn assert_trending(app: &TestApp, user: &Client, path: &str, expected: &[i64]) {
    let mut found = Vec::new();
    for _ in 0..500 {
        app.handles.trending.refresh_now().await.unwrap();
        found = ids(user, path, 100).await;
        if found == expected {
            return;
        }
        // Views and events are on their way.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(found, expected, "{path}");
}

async fn view(users: &[&Client], movie: i64) {
    for user in users {
        user.get(&format!("/movies/{movie}")).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_watched_most_comes_first_and_only_what_one_may_see() {
    let app = TestApp::start().await;
    let all = [DRAMA, COMEDY, ADVENTURE];
    let (ada, bob) = (app.subscriber(&all).await, app.subscriber(&all).await);
    assert_trending(&app, &ada, "/movies/trending", &[]).await;

    view(&[&ada, &bob], STAR_WARS).await;
    view(&[&ada, &bob], FIGHT_CLUB).await;
    view(&[&bob], FORREST_GUMP).await;
    assert_trending(&app, &ada, "/movies/trending", &[STAR_WARS, FIGHT_CLUB, FORREST_GUMP]).await;
    // A mark counts as much as five views; marking again does not count again.
    for _ in 0..2 {
        let path = format!("/watched/{AMERICAN_BEAUTY}");
        assert!(ada.put(&path, &json!({})).await.status < 300);
    }
    view(&[&ada], FORREST_GUMP).await;
    let everything = [AMERICAN_BEAUTY, STAR_WARS, FORREST_GUMP, FIGHT_CLUB];
    for window in ["", "?window=24h", "?window=7d"] {
        let path = format!("/movies/trending{window}");
        assert_trending(&app, &ada, &path, &everything).await;
    }

    let drama = app.subscriber(&[DRAMA]).await;
    let dramas = [AMERICAN_BEAUTY, FORREST_GUMP, FIGHT_CLUB];
    assert_trending(&app, &drama, "/movies/trending", &dramas).await;
    assert_trending(&app, &app.subscriber(&[WESTERN]).await, "/movies/trending", &[]).await;
    assert_trending(&app, &app.user().await, "/movies/trending", &[]).await;

    let page = ada.get("/movies/trending?pageSize=3&pageNumber=2").await;
    assert_eq!(page.header("cache-status"), "");
    let page = page.expect(200);
    check_page(&page, 2, 3, 4);
    assert_fields(&page["data"][0], &MOVIE_FIELDS);
}

#[tokio::test]
async fn a_user_counts_once_however_often_they_look_and_who_may_not_see_does_not_count() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let answer = user.get("/movies/550").await;
    let tag = answer.header("etag").to_owned();
    for _ in 0..3 {
        view(&[&user], FIGHT_CLUB).await;
    }
    user.get_with("/movies/550", &[("if-none-match", &tag)]).await.expect(304);
    user.get("/movies/11").await.problem(403, "movie_not_entitled");
    user.get("/movies/2000000000").await.problem(404, "movie_not_found");
    // One who has it already counts all the same.
    let other = app.subscriber(&[DRAMA]).await;
    let mine = other.get_with("/movies/14", &[("if-none-match", "*")]).await;
    mine.expect(304);
    assert_trending(&app, &user, "/movies/trending", &[AMERICAN_BEAUTY, FIGHT_CLUB]).await;
    let status = app.handles.trending.status();
    assert_eq!((status.views, status.repeated), (2, 4));
    let metrics = app.client.get("//metrics").await.text();
    for line in [
        "watchme_views_total{outcome=\"counted\"} 2",
        "watchme_views_total{outcome=\"repeated\"} 4",
        "watchme_views_total{outcome=\"dropped\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(metrics.contains("watchme_trending_age_seconds"));
}

#[tokio::test]
async fn what_was_counted_outlives_a_restart() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    view(&[&user], FIGHT_CLUB).await;
    while app.handles.trending.status().views == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let app = app.restart().await;
    assert_trending(&app, &user.at(&app.client), "/movies/trending", &[FIGHT_CLUB]).await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_what_is_known_not_sent_again() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for query in ["window=1h", "window=", "window=24H", "pageNumber=0", "pageSize=x", "sort=title"]
    {
        user.get(&format!("/movies/trending?{query}")).await.problem(400, "invalid_query");
    }
    app.client.get("/movies/trending").await.problem(401, "unauthenticated");
    view(&[&user], FIGHT_CLUB).await;
    assert_trending(&app, &user, "/movies/trending", &[FIGHT_CLUB]).await;
    let answer = user.get("/movies/trending").await;
    let tag = answer.header("etag").to_owned();
    user.get_with("/movies/trending", &[("if-none-match", &tag)]).await.expect(304);
}
