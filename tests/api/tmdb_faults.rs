//! The service on a TMDb that misbehaves.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    health::scrape,
    oracle::{COMEDY, DRAMA},
    support::tmdb_double::{Behaviour, TmdbCatalogue, TmdbDouble, UNREADABLE_ROWS},
    tmdb::{filled, is_stale, start, stored},
};

/// What the service must do whatever TMDb sends.
#[tokio::test]
async fn whatever_tmdb_does_lists_go_on_and_stored_data_stay_whole() {
    let (tmdb, app) = filled(200).await;
    let (admin, user) = (app.admin().await, app.subscriber(&[DRAMA, COMEDY]).await);
    // Two movies whose details are stored; one is remembered as well.
    let drama = user.get("/movies?pageSize=5").await.data();
    let list = user.get("/movies?pageSize=100").await.expect(200);
    let genres = admin.get("/genres?pageSize=100").await.expect(200);
    let count = stored(&app).await;
    let known = drama[0]["id"].as_i64().unwrap();
    let details = user.get(&format!("/movies/{known}")).await.expect(200);
    let mut unknown = 500_000;
    for behaviour in [
        Behaviour::Dead,
        Behaviour::Html(200),
        Behaviour::Html(503),
        Behaviour::HalfBody,
        Behaviour::Truncated,
        Behaviour::Status(500),
        Behaviour::Status(401),
        Behaviour::Raw(200, "null".to_owned()),
        Behaviour::Raw(200, "{}".to_owned()),
        Behaviour::Raw(200, r#"{"id":null,"title":null,"genres":null,"results":null}"#.to_owned()),
        Behaviour::Limited { retry_after: Some("1".to_owned()) },
        Behaviour::Slow(Duration::from_secs(10)),
    ] {
        tmdb.set(behaviour.clone());
        unknown += 1;
        let began = Instant::now();
        let answer = user.get(&format!("/movies/{unknown}")).await;
        answer.problem(503, "metadata_unavailable");
        let wait: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
        assert!((1..=120).contains(&wait), "{behaviour:?}: {wait}");
        assert!(began.elapsed() < Duration::from_secs(5), "{behaviour:?}: {:?}", began.elapsed());
        // Nor is it guessed at for a mark, whose form would be wrong besides.
        let body = json!({ "watchedAt": "never" });
        user.put(&format!("/watched/{unknown}"), &body).await.problem(503, "metadata_unavailable");
        let sync = admin.post("/genres/sync", &json!({})).await;
        sync.problem(503, "metadata_unavailable");
        assert!(!sync.header("retry-after").is_empty());
        // An admin who forgets a movie loses nothing.
        admin.delete(&format!("/admin/cache/movies/{known}")).await.expect(204);
        let again = user.get(&format!("/movies/{known}")).await;
        assert_eq!(again.expect(200), details, "{behaviour:?}");
        assert_eq!(user.get("/movies?pageSize=100").await.expect(200), list, "{behaviour:?}");
        assert_eq!(admin.get("/genres?pageSize=100").await.expect(200), genres, "{behaviour:?}");
        assert_eq!(stored(&app).await, count, "{behaviour:?}");
    }
    // By now the circuit is open: lists say that they may be old, health warns, readiness stays.
    assert!(is_stale(user.get("/movies").await.header("cache-status")));
    let health = app.client.get("//health").await.expect(200);
    assert_eq!(health["status"], "warn");
    assert_eq!(health["checks"]["tmdb"]["status"], "warn");
    assert_eq!(health["checks"]["genreSync"]["status"], "warn");
    assert_eq!(app.client.get("//readyz").await.status / 100, 2);
    let samples = scrape(&app.client).await;
    assert!(samples["watchme_tmdb_failures_total"] >= 5.0);
    assert!(samples["watchme_genre_sync_failures_total"] >= 5.0);
    assert_eq!(samples["watchme_tmdb_circuit_state{state=\"closed\"}"], 0.0);
    // While it is open TMDb is left alone, and the answer comes at once.
    tmdb.forget_requests();
    let began = Instant::now();
    user.get("/movies/500000").await.problem(503, "metadata_unavailable");
    assert!(began.elapsed() < Duration::from_secs(1) && tmdb.requests().is_empty());
    // It closes by itself.
    tmdb.set(Behaviour::Normal);
    let closed = async {
        while user.get("/movies/500000").await.status != 404 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("the circuit closes");
    admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!(app.client.get("//health").await.expect(200)["status"], "pass");
    assert!(user.get("/movies").await.header("cache-status").is_empty());
}

/// Each fault by itself, before the circuit opens: it is counted under its name.
#[tokio::test]
async fn faults_are_counted() {
    let (tmdb, app) = filled(60).await;
    let user = app.subscriber(&[DRAMA]).await;
    let mut unknown = 500_000;
    for (behaviour, metric) in [
        (Behaviour::Html(200), "watchme_tmdb_malformed_total"),
        (Behaviour::Status(500), "watchme_tmdb_failures_total"),
        (
            Behaviour::Limited { retry_after: Some("1".to_owned()) },
            "watchme_tmdb_rate_limited_total",
        ),
    ] {
        let before = scrape(&app.client).await[metric];
        tmdb.set(behaviour);
        unknown += 1;
        user.get(&format!("/movies/{unknown}")).await.problem(503, "metadata_unavailable");
        let after = scrape(&app.client).await[metric];
        assert!(after > before, "{metric}");
    }
}

/// More marks at once than there may be changes under way, all of a film that TMDb is slow to tell of.
#[tokio::test]
async fn who_waits_for_tmdb_keeps_nobody_from_signing_in() {
    const MARKS: usize = 530;
    let (tmdb, app) = filled(60).await;
    let user = app.subscriber(&[DRAMA]).await;
    user.get("/entitlements").await.expect(200);
    tmdb.set(Behaviour::Slow(Duration::from_secs(5)));
    let body = json!({});
    // On a busy machine not all may have come before TMDb is given up.
    for film in 500_000..500_003 {
        let path = format!("/watched/{film}");
        let marks = join_all((0..MARKS).map(|_| user.put(&path, &body)));
        let signing_in = async {
            // The one that asks is under way itself.
            while scrape(&app.client).await["watchme_http_requests_in_flight"] <= MARKS as f64 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            app.admin().await.get("/users/me").await.expect(200);
        };
        tokio::select! {
            () = signing_in => return,
            _ = marks => {}
        }
    }
    panic!("some are refused while others wait");
}

#[tokio::test]
async fn rows_that_make_no_sense_are_left_out_and_counted() {
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(100)).await;
    tmdb.edit(|it| {
        // One genre, so that its first page is the only damaged one.
        it.genres.retain(|id, _| *id == DRAMA);
        it.movies.values_mut().for_each(|film| film.genres = vec![DRAMA]);
    });
    tmdb.set(Behaviour::WrongFields);
    let app = start(&tmdb, &[("WATCHME_CATALOGUE_PAGES", "1")]).await;
    app.catalogue_ready().await;
    let user = app.subscriber(&[DRAMA]).await;
    let samples = scrape(&app.client).await;
    assert_eq!(samples["watchme_catalogue_rejected_rows_total"], UNREADABLE_ROWS as f64);
    assert_eq!(stored(&app).await, 20 - UNREADABLE_ROWS as u64);
    for sort in ["title", "-rating", "releaseDate", "-popularity"] {
        for movie in user.get(&format!("/movies?pageSize=100&sort={sort}")).await.data() {
            assert!(movie["id"].as_i64().is_some_and(|id| id > 0), "{movie}");
            let title = movie["title"].as_str().unwrap();
            assert!(!title.trim().is_empty() && title.chars().count() <= 1_000, "{movie}");
            assert!(!title.chars().any(char::is_control), "{movie}");
            let rating = movie["voteAverage"].as_f64().unwrap();
            assert!((0.0..=10.0).contains(&rating), "{movie}");
            assert!(movie["popularity"].as_f64().is_some_and(|it| it >= 0.0), "{movie}");
            let date = &movie["releaseDate"];
            assert!(date.is_null() || date.as_str().is_some_and(|it| it.len() == 10), "{movie}");
            let poster = movie["posterUrl"].as_str();
            assert!(poster.is_none_or(|it| it.starts_with("https://image.tmdb.org/")), "{movie}");
        }
    }
}

#[tokio::test]
async fn a_start_without_tmdb_waits_for_genres_and_gets_over_it() {
    let tmdb = TmdbDouble::start_with(TmdbCatalogue::generated(60)).await;
    tmdb.set(Behaviour::Status(500));
    let app = start(&tmdb, &[]).await;
    let admin = app.admin().await;
    // Signing in and lists work; what needs genres waits up to 5 s, then says so.
    assert!(admin.get("/movies").await.data().is_empty());
    let began = Instant::now();
    let answer = admin.get("/genres").await;
    answer.problem(503, "genres_not_ready");
    assert!(!answer.header("retry-after").is_empty());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let body = json!({ "name": "Too early", "genreIds": [18] });
    let refused = admin.post("/packages", &body).await;
    refused.problem(503, "genres_not_ready");
    assert_eq!(app.client.get("//livez").await.status / 100, 2);
    assert_eq!(app.client.get("//health").await.expect(200)["status"], "warn");
    tmdb.set(Behaviour::Normal);
    app.catalogue_ready().await;
    admin.post("/packages", &body).await.expect(201);
    assert_eq!(stored(&app).await, 60);
}
