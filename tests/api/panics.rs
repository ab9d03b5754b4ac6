//! A panic in any actor is over with the next request that needs this actor.

use std::time::Duration;

use serde_json::json;
use watchme_actors::supervision::InjectPanic;

use crate::{
    health::scrape,
    oracle::{DRAMA, ids},
    support::TestApp,
};

const KINDS: [InjectPanic; 2] = [InjectPanic::InFuture, InjectPanic::InHandler];

/// Waits until `/metrics` shows the restart (of the first layer) or the rebuild (of the second)
/// and the actor is there again.
async fn is_back(app: &TestApp, actor: &str, kind: InjectPanic, times: f64) {
    let counter = match kind {
        InjectPanic::InFuture => "restarts",
        InjectPanic::InHandler => "rebuilds",
    };
    let counter = format!("watchme_actor_{counter}_total{{actor=\"{actor}\"}}");
    let alive = format!("watchme_actor_alive{{actor=\"{actor}\"}}");
    let back = async {
        loop {
            let samples = scrape(&app.client).await;
            if samples[&counter] >= times && samples[&alive] == 1.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back)
        .await
        .unwrap_or_else(|_| panic!("{counter} does not show {times}"));
}

/// Injects each kind of panic twice, and after each one asks for what needs the actor.
async fn survives(
    app: &TestApp,
    actor: &str,
    inject: impl AsyncFn(InjectPanic) -> bool,
    needs: impl AsyncFn(),
) {
    for kind in KINDS {
        for times in [1.0, 2.0] {
            assert!(inject(kind).await, "{actor}: nobody learns of the panic");
            is_back(app, actor, kind, times).await;
            needs().await;
        }
    }
    assert_eq!(app.client.get("//health").await.expect(200)["status"], "pass");
}

#[tokio::test]
async fn genre_sync_comes_back() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let handle = app.handles.genres.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "genre_sync", inject, async || {
        let synced = admin.post("/genres/sync", &json!({})).await.expect(200);
        assert!(synced["lastSuccess"].is_string(), "{synced}");
        assert_eq!(admin.get("/genres?pageSize=100").await.data().len(), 19);
    })
    .await;
}

#[tokio::test]
async fn tmdb_client_comes_back() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let number = std::cell::Cell::new(0);
    let handle = app.handles.tmdb.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "tmdb_client", inject, async || {
        number.set(number.get() + 1);
        // A text that nobody has searched for asks TMDb.
        let found = user.get(&format!("/movies/search?query=never{}", number.get())).await;
        found.expect(200);
        assert_eq!(found.header("cache-status"), "", "it was asked");
        // So does a movie that is not stored.
        user.get("/movies/2000000000").await.problem(404, "movie_not_found");
    })
    .await;
}

#[tokio::test]
async fn entitlements_come_back() {
    let app = TestApp::start().await;
    let handle = app.handles.entitlements.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "entitlement", inject, async || {
        // Nobody's entitlement is known of a new user: the actor loads it.
        let user = app.subscriber(&[DRAMA]).await;
        assert!(!ids(&user, "/movies?yearFrom=2016", 100).await.is_empty());
        assert_eq!(user.get("/entitlements").await.status, 200);
        // And it hears of changes.
        let held = user.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(user.delete(&format!("/subscriptions/{held}")).await.status / 100, 2);
        assert!(ids(&user, "/movies", 100).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn reports_come_back() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let movies = user.get("/movies?pageSize=10").await.data();
    let marked = std::cell::Cell::new(0);
    let handle = app.handles.reports.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "report", inject, async || {
        let movie = &movies[marked.get()]["id"];
        user.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
        marked.set(marked.get() + 1);
        let report = user.get("/reports/me").await.expect(200);
        assert_eq!(report["totalFilmsWatched"], marked.get());
        assert_eq!(&report["lastFilmWatched"]["movieId"], movie);
    })
    .await;
}

#[tokio::test]
async fn the_relay_comes_back() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let movies = user.get("/movies?pageSize=10").await.data();
    let marked = std::cell::Cell::new(0);
    let handle = app.handles.relay.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "outbox_relay", inject, async || {
        let movie = &movies[marked.get()]["id"];
        user.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
        marked.set(marked.get() + 1);
        let applied = async {
            let series = "watchme_projection_events_total{outcome=\"applied\"}";
            while scrape(&app.client).await[series] < marked.get() as f64 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), applied).await.expect("the event arrives");
    })
    .await;
}

#[tokio::test]
async fn the_index_of_movies_comes_back() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let year = std::cell::Cell::new(2000);
    let handle = app.handles.index.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "movie_index", inject, async || {
        // A page that nobody has asked for is answered while the actor is not there, and after.
        let ask = format!("/movies?yearFrom={}&yearTo={0}", year.get());
        assert!(!ids(&user, &ask, 100).await.is_empty());
        year.set(year.get() + 1);
        app.handles.index.wait_for(|status| !status.behind).await;
        assert_eq!(app.handles.index.status().films, 3_000);
    })
    .await;
}

#[tokio::test]
async fn catalogue_sync_comes_back_and_fills_what_is_missing() {
    let app = TestApp::start_empty(&[]).await;
    let handle = app.handles.catalogue_sync.clone();
    let inject = async |kind| handle.inject(kind).await.is_err();
    survives(&app, "catalogue_sync", inject, async || {
        app.catalogue_ready().await;
    })
    .await;
    let health = app.client.get("//health").await.expect(200);
    assert!(health["catalogue"]["movies"].as_u64().unwrap() == 3000, "{health}");
}
