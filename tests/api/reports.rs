//! `/reports`: what users have watched.

use serde_json::{Value, json};

use crate::{
    oracle::{
        ACTION, ADVENTURE, AMERICAN_BEAUTY, COMEDY, DRAMA, FIGHT_CLUB, FORREST_GUMP, ROMANCE,
        STAR_WARS, assert_fields, check_page, films, walk,
    },
    support::{Client, TestApp},
};

const FIELDS: [&str; 4] = ["userId", "totalFilmsWatched", "mostWatchedTheme", "lastFilmWatched"];

async fn report(client: &Client) -> Value {
    let report = client.get("/reports/me").await.expect(200);
    assert_fields(&report, &FIELDS);
    assert_eq!(report["userId"], client.id);
    if !report["mostWatchedTheme"].is_null() {
        let theme = ["themeId", "themeName", "totalFilmsWatched"];
        assert_fields(&report["mostWatchedTheme"], &theme);
        assert_fields(&report["lastFilmWatched"], &["movieId", "movieName"]);
    }
    report
}

async fn mark(client: &Client, id: i64, at: &str) {
    let answer = client.put(&format!("/watched/{id}"), &json!({ "watchedAt": at })).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

#[tokio::test]
async fn nothing_watched_is_zero_and_two_nulls() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let nothing = json!({ "userId": user.id, "totalFilmsWatched": 0, "mostWatchedTheme": null,
        "lastFilmWatched": null });
    assert_eq!(report(&user).await, nothing);
    let user = app.subscriber(&[DRAMA]).await;
    mark(&user, FIGHT_CLUB, "2020-03-01").await;
    user.delete("/watched/550").await.expect(204);
    let emptied = report(&user).await;
    assert_eq!(emptied["totalFilmsWatched"], 0);
    assert!(emptied["mostWatchedTheme"].is_null() && emptied["lastFilmWatched"].is_null());
}

#[tokio::test]
async fn a_report_never_lags_behind_its_readers_writes() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, ADVENTURE]).await;
    mark(&user, FIGHT_CLUB, "2020-03-01").await;
    assert_eq!(
        report(&user).await,
        json!({ "userId": user.id, "totalFilmsWatched": 1,
            "mostWatchedTheme": { "themeId": 18, "themeName": "Drama", "totalFilmsWatched": 1 },
            "lastFilmWatched": { "movieId": 550, "movieName": "Fight Club" } })
    );
    let movies: Vec<i64> =
        films().iter().filter(|it| it.genres == [DRAMA]).map(|it| it.id).take(25).collect();
    let mut total = 1;
    for id in movies.into_iter().filter(|id| *id != FIGHT_CLUB) {
        mark(&user, id, "2020-03-02").await;
        total += 1;
        let now = report(&user).await;
        assert_eq!(now["totalFilmsWatched"], total);
        assert_eq!(now["mostWatchedTheme"]["totalFilmsWatched"], total);
        // The same time: the latest mark counts.
        assert_eq!(now["lastFilmWatched"]["movieId"], id);
        if total % 5 == 0 {
            user.delete(&format!("/watched/{id}")).await.expect(204);
            total -= 1;
            assert_eq!(report(&user).await["totalFilmsWatched"], total);
        }
    }
}

#[tokio::test]
async fn a_movie_counts_once_in_each_of_its_genres_and_ties_go_to_the_lowest_id() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, COMEDY, ROMANCE, ACTION, ADVENTURE]).await;
    // Adventure, action, science fiction: three genres with one each.
    mark(&user, STAR_WARS, "2020-03-01").await;
    let now = report(&user).await;
    assert_eq!(now["totalFilmsWatched"], 1);
    assert_eq!(
        now["mostWatchedTheme"],
        json!({ "themeId": 12, "themeName": "Adventure", "totalFilmsWatched": 1 })
    );
    // Drama, comedy, romance have one each as well: still the lowest id.
    mark(&user, FORREST_GUMP, "2020-03-02").await;
    assert_eq!(report(&user).await["mostWatchedTheme"]["themeId"], 12);
    mark(&user, FIGHT_CLUB, "2020-03-03").await;
    let now = report(&user).await;
    assert_eq!(now["totalFilmsWatched"], 3);
    assert_eq!(
        now["mostWatchedTheme"],
        json!({ "themeId": 18, "themeName": "Drama", "totalFilmsWatched": 2 })
    );
    assert_eq!(now["lastFilmWatched"], json!({ "movieId": 550, "movieName": "Fight Club" }));
    user.delete("/watched/550").await.expect(204);
    assert_eq!(report(&user).await["mostWatchedTheme"]["themeId"], 12);
}

#[tokio::test]
async fn the_last_film_is_the_latest_viewing_then_the_latest_mark() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let last = async || report(&user).await["lastFilmWatched"]["movieId"].clone();
    mark(&user, FIGHT_CLUB, "2020-03-10").await;
    mark(&user, AMERICAN_BEAUTY, "2020-03-01").await;
    assert_eq!(last().await, FIGHT_CLUB, "marked earlier, watched later");
    mark(&user, FORREST_GUMP, "2020-03-10").await;
    assert_eq!(last().await, FORREST_GUMP, "the same moment, marked later");
    // Marking again changes nothing.
    user.put("/watched/550", &json!({})).await.expect(200);
    assert_eq!(last().await, FORREST_GUMP);
    mark(&user, AMERICAN_BEAUTY, "2020-03-11").await;
    assert_eq!(last().await, AMERICAN_BEAUTY, "corrected");
    mark(&user, AMERICAN_BEAUTY, "2020-03-02").await;
    assert_eq!(last().await, FORREST_GUMP);
    user.delete("/watched/13").await.expect(204);
    assert_eq!(last().await, FIGHT_CLUB);
}

#[tokio::test]
async fn an_admin_reads_everybodys_reports_in_pages() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut users = Vec::new();
    for n in 0..7 {
        let user = app.subscriber(&[DRAMA]).await;
        for id in [FIGHT_CLUB, AMERICAN_BEAUTY].iter().take(n % 3) {
            mark(&user, *id, "2020-03-01").await;
        }
        users.push(user);
    }
    let all = walk(&admin, "/reports", 3).await;
    // The admin, too, is a user, who has watched nothing.
    assert_eq!(all.len(), users.len() + 1);
    assert!(all.iter().any(|it| it["userId"] == admin.id && it["totalFilmsWatched"] == 0));
    assert_eq!(walk(&admin, "/reports", 100).await, all, "the order is total");
    for (n, user) in users.iter().enumerate() {
        let own = report(user).await;
        assert_eq!(own["totalFilmsWatched"], n % 3);
        assert!(all.contains(&own), "{own}");
        let path = format!("/reports/users/{}", user.id);
        assert_eq!(admin.get(&path).await.expect(200), own);
    }
    for report in &all {
        assert_fields(report, &FIELDS);
    }
    let beyond = admin.get("/reports?pageNumber=5&pageSize=3").await.expect(200);
    check_page(&beyond, 5, 3, 8);
    admin.get("/reports?pageSize=x").await.problem(400, "invalid_query");
    admin.get("/reports?userId=1").await.problem(400, "invalid_query");
}

#[tokio::test]
async fn reports_of_others_are_the_admins() {
    let app = TestApp::start().await;
    let (admin, user, other) = (app.admin().await, app.user().await, app.user().await);
    for path in ["/reports", &format!("/reports/users/{}", other.id)] {
        app.client.get(path).await.problem(401, "unauthenticated");
        user.get(path).await.problem(403, "admin_only");
    }
    // Rights come before the form.
    user.get("/reports?pageSize=x").await.problem(403, "admin_only");
    app.client.get("/reports/me").await.problem(401, "unauthenticated");
    for id in ["nonsense", "0190f5fe-7c00-7a00-8000-000000000001"] {
        admin.get(&format!("/reports/users/{id}")).await.problem(404, "user_not_found");
    }
}
