//! The service on TMDb, which a double over real HTTP stands in for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use watchme_actors::catalogue_sync::CatalogueState;

use crate::{
    health::scrape,
    oracle::{ACTION, COMEDY, DRAMA, HORROR, ids},
    support::{
        Client, TestApp,
        tmdb_double::{Behaviour, TmdbCatalogue, TmdbDouble, V3_KEY},
    },
};

/// The service on a double, with settings, while its catalogue is still being filled.
pub(crate) async fn start(tmdb: &TmdbDouble, settings: &[(&str, &str)]) -> TestApp {
    let url = tmdb.url().to_string();
    let mut all = vec![("TMDB_API_KEY", V3_KEY), ("TMDB_BASE_URL", url.as_str())];
    // Most tests are not about the rate.
    all.push(("TMDB_RATE", "1000"));
    all.extend_from_slice(settings);
    TestApp::start_empty(&all).await
}

/// A double that knows `count` movies, and the service on it with all of them.
pub(crate) async fn filled(count: i64) -> (TmdbDouble, TestApp) {
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(count)).await;
    let app = start(&tmdb, &[]).await;
    app.catalogue_ready().await;
    (tmdb, app)
}

/// Everybody's genres.
fn all_genres() -> Vec<i64> {
    TmdbCatalogue::demo().genres.into_keys().collect()
}

pub(crate) async fn stored(app: &TestApp) -> u64 {
    app.client.get("//health").await.json()["catalogue"]["movies"].as_u64().expect("a count")
}

pub(crate) fn is_stale(cache_status: &str) -> bool {
    cache_status.contains("detail=stale")
}

/// A movie that the double has and the service has not: added after the catalogue was filled.
fn add(tmdb: &TmdbDouble, id: i64, title: &str, genres: &[i64]) {
    tmdb.edit(|it| {
        let mut film = it.movie(1).clone();
        film.id = id;
        film.title = title.to_owned();
        film.original_title = title.to_owned();
        film.genres = genres.to_vec();
        it.movies.insert(id, film);
    });
}

#[tokio::test]
async fn a_first_start_fills_the_catalogue_and_lists_work_meanwhile() {
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(1_500)).await;
    let app = start(&tmdb, &[("TMDB_RATE", "60")]).await;
    let user = app.subscriber(&all_genres()).await;
    let mut totals = Vec::new();
    while app.handles.catalogue_sync.progress().state != CatalogueState::Ready {
        let page = user.get("/movies?pageSize=100").await.expect(200);
        totals.push(page["pagination"]["totalItems"].as_u64().unwrap());
        let health = app.client.get("//health").await.expect(200);
        let catalogue = &health["catalogue"];
        assert!(catalogue["pagesDone"].as_u64() <= catalogue["pagesTotal"].as_u64());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(totals.is_sorted(), "the catalogue only grows: {totals:?}");
    assert!(totals.iter().any(|it| (1..1_500).contains(it)), "it is seen half-way: {totals:?}");
    assert_eq!(ids(&user, "/movies", 100).await, (1..=1_500).collect::<Vec<_>>());
    assert!(tmdb.highest_rate() <= 62, "{}", tmdb.highest_rate());
    let movie = user.get("/movies/7").await.expect(200);
    assert_eq!(movie["overview"], "What happens in film 7.");
    assert_eq!(movie["posterUrl"], "https://image.tmdb.org/t/p/w500/poster7.jpg");
    assert!(user.get("/movies").await.header("cache-status").is_empty());
}

#[tokio::test]
async fn the_number_of_pages_is_the_operators() {
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(1_500)).await;
    let app = start(&tmdb, &[("WATCHME_CATALOGUE_PAGES", "2")]).await;
    app.catalogue_ready().await;
    let asked: Vec<u32> = tmdb
        .requests()
        .iter()
        .filter(|request| request.path == "/3/discover/movie")
        .map(|request| request.param("page").unwrap().parse().unwrap())
        .collect();
    assert_eq!(asked.len(), 2 * 19);
    assert!(asked.iter().all(|page| *page <= 2));
}

/// Takes its minute: TMDb refuses everything for that long.
#[tokio::test]
async fn a_minute_of_429_fails_no_list_and_the_backlog_is_fetched_afterwards() {
    const RATE: usize = 20;
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(2_000)).await;
    let app = start(&tmdb, &[("TMDB_RATE", "20")]).await;
    let user = app.subscriber(&all_genres()).await;
    let some = app.handles.catalogue_sync.wait_for(|it| it.pages_done >= 30);
    tokio::time::timeout(Duration::from_secs(20), some).await.expect("the first pages");

    tmdb.set(Behaviour::Limited { retry_after: None });
    let began = Instant::now();
    let (mut asked, mut stale, mut second_half) = (0, 0, false);
    let mut largest = 0;
    while began.elapsed() < Duration::from_secs(60) {
        if !second_half && began.elapsed() > Duration::from_secs(30) {
            second_half = true;
            tmdb.set(Behaviour::Limited { retry_after: Some("2".to_owned()) });
        }
        for path in ["/movies?pageSize=50", "/movies/popular", "/movies?genreId=18&sort=title"] {
            let answer = user.get(path).await;
            let total = answer.expect(200)["pagination"]["totalItems"].as_u64().unwrap();
            assert!(total > 0, "{path}");
            asked += 1;
            stale += usize::from(is_stale(answer.header("cache-status")));
            if path.ends_with("50") {
                assert!(total >= largest, "nothing is lost");
                largest = total;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(asked > 300 && stale > 0, "{asked} lists, {stale} of them marked as stale");
    assert!(largest < 2_000, "the catalogue was still being filled");
    let samples = scrape(&app.client).await;
    assert!(samples["watchme_tmdb_rate_limited_total"] >= 3.0);

    tmdb.set(Behaviour::Normal);
    let ready = app.handles.catalogue_sync.wait_for(|it| it.state == CatalogueState::Ready);
    tokio::time::timeout(Duration::from_secs(100), ready).await.expect("the backlog is fetched");
    assert_eq!(ids(&user, "/movies", 100).await, (1..=2_000).collect::<Vec<_>>());
    assert!(user.get("/movies").await.header("cache-status").is_empty(), "not stale any more");
    // A request may reach the double a little early or late.
    assert!(tmdb.highest_rate() <= RATE + 2, "{} in one second", tmdb.highest_rate());
}

#[tokio::test]
async fn without_an_entitlement_nobody_asks_tmdb() {
    let (tmdb, app) = filled(60).await;
    let user = app.user().await;
    tmdb.forget_requests();
    for path in ["/movies", "/movies/popular", "/movies/search?query=nothing", "/movies?genreId=18"]
    {
        assert!(user.get(path).await.data().is_empty());
    }
    let held = app.subscriber(&[DRAMA]).await;
    for path in ["/movies", "/movies/popular", "/movies?genreId=27"] {
        held.get(path).await.expect(200);
    }
    assert_eq!(tmdb.requests().len(), 0, "lists come from the store");
}

#[tokio::test]
async fn search_falls_through_and_stores_what_it_finds() {
    let (tmdb, app) = filled(60).await;
    let user = app.subscriber(&[DRAMA, COMEDY]).await;
    add(&tmdb, 9_001, "The Long Voyage", &[DRAMA]);
    add(&tmdb, 9_002, "A Longer Voyage", &[HORROR]);
    let before = stored(&app).await;
    tmdb.forget_requests();
    let found = user.get("/movies/search?query=voyage").await;
    let found = found.data();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], 9_001);
    // What was found but is not permitted is stored as well, and still not shown.
    assert_eq!(stored(&app).await, before + 2);
    assert_eq!(
        ids(&user, "/movies?genreId=18", 100).await.iter().filter(|id| **id == 9_001).count(),
        1
    );
    // The same text again asks nobody.
    for text in ["voyage", "VOYAGE", "%20voyage%20"] {
        assert_eq!(user.get(&format!("/movies/search?query={text}")).await.data().len(), 1);
    }
    let searches = tmdb.requests().iter().filter(|it| it.path == "/3/search/movie").count();
    assert_eq!(searches, 1);
    // With TMDb away the store answers, and says so.
    tmdb.set(Behaviour::Dead);
    let found = user.get("/movies/search?query=long").await;
    assert_eq!(found.data().len(), 1);
    assert!(is_stale(found.header("cache-status")));
    // And the next one may have better luck.
    tmdb.set(Behaviour::Normal);
    add(&tmdb, 9_003, "A Long Day", &[DRAMA]);
    let found = async {
        while user.get("/movies/search?query=long").await.data().len() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), found).await.expect("TMDb is asked again");
}

#[tokio::test]
async fn details_and_marks_fall_through_for_what_is_not_stored() {
    let (tmdb, app) = filled(60).await;
    let user = app.subscriber(&[DRAMA]).await;
    for (id, genre) in [(9_001, DRAMA), (9_002, DRAMA), (9_003, HORROR), (9_004, HORROR)] {
        add(&tmdb, id, &format!("Late {id}"), &[genre]);
    }
    let before = stored(&app).await;
    let details = user.get("/movies/9001").await.expect(200);
    assert_eq!(details["title"], "Late 9001");
    assert_eq!(details["runtime"], 90);
    let mark = user.put("/watched/9002", &json!({})).await.expect(201);
    assert_eq!(mark["title"], "Late 9002");
    user.get("/movies/9003").await.problem(403, "movie_not_entitled");
    user.put("/watched/9004", &json!({})).await.problem(403, "movie_not_entitled");
    assert_eq!(stored(&app).await, before + 4);
    user.get("/movies/9999").await.problem(404, "movie_not_found");
    user.put("/watched/9999", &json!({})).await.problem(404, "movie_not_found");
    assert_eq!(user.get("/reports/me").await.json()["lastFilmWatched"]["movieName"], "Late 9002");
    // Asked once: found or not, the answer is remembered.
    tmdb.forget_requests();
    user.get("/movies/9001").await.expect(200);
    user.get("/movies/9999").await.problem(404, "movie_not_found");
    assert_eq!(tmdb.requests().len(), 0);
}

#[tokio::test]
async fn many_who_ask_for_the_same_movie_are_one_question() {
    let (tmdb, app) = filled(60).await;
    let user = app.subscriber(&[DRAMA]).await;
    add(&tmdb, 9_001, "Late", &[DRAMA]);
    tmdb.forget_requests();
    tmdb.set(Behaviour::Slow(Duration::from_millis(300)));
    let answers = futures_util::future::join_all((0..20).map(|_| user.get("/movies/9001"))).await;
    for answer in answers {
        assert_eq!(answer.expect(200)["id"], 9_001);
    }
    assert_eq!(tmdb.requests().len(), 1);
}

/// What marks keep of a movie is remembered apart from its details.
#[tokio::test]
async fn marks_keep_what_a_movie_was_called_last() {
    let (tmdb, app) = filled(60).await;
    let admin = app.admin().await;
    let marked = async || {
        let user = app.subscriber(&all_genres()).await;
        user.put("/watched/7", &json!({})).await.expect(201)["title"].clone()
    };
    assert_eq!([marked().await, marked().await], ["Film 7", "Film 7"]);
    tmdb.edit(|it| it.movie(7).title = "Renamed 7".to_owned());
    admin.delete("/admin/cache/movies/7").await.expect(204);
    assert_eq!([marked().await, marked().await], ["Renamed 7", "Renamed 7"]);
    // Neither details nor marks have asked TMDb again.
    tmdb.forget_requests();
    assert_eq!(marked().await, "Renamed 7");
    assert_eq!(tmdb.requests().len(), 0);
    admin.delete("/admin/cache/movies").await.expect(204);
    assert_eq!(marked().await, "Renamed 7");
}

#[tokio::test]
async fn a_forgotten_movie_is_read_anew() {
    let (tmdb, app) = filled(60).await;
    let (admin, user) = (app.admin().await, app.subscriber(&all_genres()).await);
    for id in [5, 6] {
        assert_eq!(user.get(&format!("/movies/{id}")).await.json()["title"], format!("Film {id}"));
    }
    tmdb.edit(|it| {
        it.movie(5).title = "Renamed 5".to_owned();
        it.movie(6).title = "Renamed 6".to_owned();
    });
    assert_eq!(user.get("/movies/5").await.json()["title"], "Film 5", "remembered");
    admin.delete("/admin/cache/movies/5").await.expect(204);
    assert_eq!(user.get("/movies/5").await.json()["title"], "Renamed 5");
    assert_eq!(user.put("/watched/5", &json!({})).await.expect(201)["title"], "Renamed 5");
    let listed = user.get("/movies?pageSize=100").await.data();
    assert!(listed.iter().any(|movie| movie["title"] == "Renamed 5"), "lists follow");
    assert_eq!(user.get("/movies/6").await.json()["title"], "Film 6");
    // A movie that TMDb has removed is gone when it is asked for again.
    tmdb.edit(|it| drop(it.movies.remove(&5)));
    admin.delete("/admin/cache/movies/5").await.expect(204);
    user.get("/movies/5").await.problem(404, "movie_not_found");
    assert!(!ids(&user, "/movies", 100).await.contains(&5));
}

async fn genre(client: &Client, id: i64) -> Value {
    let found = client.get(&format!("/genres?ids={id}")).await.data();
    found.into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn genres_follow_tmdb_when_they_are_synced() {
    let (tmdb, app) = filled(100).await;
    let admin = app.admin().await;
    let user = app.subscriber(&[DRAMA, ACTION]).await;
    let drama_and_action = ids(&user, "/movies", 100).await;
    let watched = drama_and_action[0];
    user.put(&format!("/watched/{watched}"), &json!({})).await.expect(201);
    let before = admin.get("/genres?pageSize=100").await.expect(200);

    // Nothing has changed: nothing is written.
    let synced = admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!(synced["changed"], 0);
    assert_eq!(admin.get("/genres?pageSize=100").await.expect(200), before);

    tmdb.edit(|it| {
        it.genres.insert(DRAMA, "Serious".to_owned());
        it.genres.remove(&ACTION);
        it.genres.insert(777_777, "Brand New".to_owned());
    });
    let list = user.get("/movies?pageSize=100").await;
    let synced = admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!(synced["changed"], 3);
    assert_eq!(admin.get("/genres/sync").await.expect(200)["changed"], 3);
    assert_eq!(genre(&user, DRAMA).await["name"], "Serious");
    assert_eq!(genre(&user, 777_777).await["retired"], false);
    let dropped = genre(&user, ACTION).await;
    assert_eq!((&dropped["retired"], &dropped["name"]), (&json!(true), &json!("Action")));
    assert_eq!(user.get("/genres?retired=true").await.data().len(), 1);
    // What did not change was not touched.
    let same = before["data"].as_array().unwrap().iter().find(|it| it["id"] == COMEDY).unwrap();
    assert_eq!(&genre(&user, COMEDY).await, same);
    // Packages keep the genre that was dropped, and its movies stay permitted.
    assert_eq!(ids(&user, "/movies", 100).await, drama_and_action);
    let package = user.get("/subscriptions").await.data()[0]["package"]["id"].clone();
    let package = user.get(&format!("/packages/{}", package.as_str().unwrap())).await.expect(200);
    let names: Vec<&Value> =
        package["genres"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["Serious", "Action"]);
    // Names are resolved at reading: in lists, whose tag changes, in marks and in reports.
    let tag = list.header("etag").to_owned();
    let after = user.get_with("/movies?pageSize=100", &[("if-none-match", &tag)]).await;
    assert!(after.expect(200).to_string().contains("Serious"));
    let mark = user.get(&format!("/watched/{watched}")).await.expect(200);
    assert!(!mark.to_string().contains("\"Drama\""), "{mark}");
    // New packages take the new genre; the dropped one can be had back.
    admin.make_package("Brand New", &[777_777]).await;
    tmdb.edit(|it| drop(it.genres.insert(ACTION, "Action".to_owned())));
    admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!(genre(&user, ACTION).await["retired"], false);

    // A failed sync keeps the list, is told and counted.
    tmdb.edit(|it| drop(it.genres.insert(DRAMA, "Never Seen".to_owned())));
    tmdb.set(Behaviour::Html(200));
    admin.post("/genres/sync", &json!({})).await.problem(503, "metadata_unavailable");
    assert_eq!(genre(&user, DRAMA).await["name"], "Serious");
    assert!(admin.get("/genres/sync").await.json()["lastFailure"].is_string());
    assert!(scrape(&app.client).await["watchme_genre_sync_failures_total"] >= 1.0);
    // An empty list would retire everything: it is no list.
    tmdb.set(Behaviour::Raw(200, r#"{"genres":[]}"#.to_owned()));
    admin.post("/genres/sync", &json!({})).await.problem(503, "metadata_unavailable");
    assert_eq!(user.get("/genres?retired=true").await.data().len(), 0);
}
