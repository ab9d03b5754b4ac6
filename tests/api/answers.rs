//! What the answers that are kept have in common: tags, codings, and that a change shows in the very
//! next request.

use std::io::Read;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oracle::{DRAMA, FIGHT_CLUB, WESTERN},
    support::{
        Answer, Client, TestApp,
        tmdb_double::{TmdbDouble, V3_KEY},
    },
};

/// Asks for a coding, and takes the answer as it comes.
async fn coded(
    client: &Client,
    method: Method,
    path: &str,
    coding: &str,
    known: Option<&str>,
) -> Answer {
    let http = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let request = http
        .request(method, format!("{}/api/v1{path}", client.base))
        .bearer_auth(client.token.as_ref().unwrap())
        .header("accept-encoding", coding);
    let request = known.into_iter().fold(request, |it, tag| it.header("if-none-match", tag));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}

async fn get(client: &Client, path: &str, coding: &str) -> Answer {
    coded(client, Method::GET, path, coding, None).await
}

/// Every address whose answer is kept, or has a tag of its own.
async fn addresses(admin: &Client) -> Vec<String> {
    let package = admin.package("Family Night").await;
    let mut addresses: Vec<String> = [
        "/movies",
        "/movies?genreId=18&sort=title&pageSize=3",
        "/movies?watched=false",
        "/movies/popular",
        "/movies/search?query=love",
        "/movies/trending",
        "/movies/550",
        "/genres",
        "/genres?sort=-name&pageSize=3",
        "/packages",
        "/packages?name=night",
        "/entitlements",
    ]
    .iter()
    .map(|path| (*path).to_owned())
    .collect();
    addresses.push(format!("/packages/{package}"));
    addresses.push(format!("/packages/{package}/versions"));
    addresses.push(format!("/genres?inPackage={package}"));
    addresses
}

fn is_one_package(path: &str) -> bool {
    path.starts_with("/packages/") && !path.ends_with("/versions")
}

fn plain(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        "gzip" => flate2::read::GzDecoder::new(&*answer.bytes).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(&*answer.bytes, 4_096).read_to_end(&mut plain),
        "deflate" => flate2::read::ZlibDecoder::new(&*answer.bytes).read_to_end(&mut plain),
        "" => (&*answer.bytes).read_to_end(&mut plain),
        other => panic!("{other}"),
    }
    .unwrap();
    plain
}

#[tokio::test]
async fn an_answer_says_the_same_in_every_coding_and_names_its_bytes() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for path in addresses(&app.admin().await).await {
        let as_it_is = get(&user, &path, "identity").await;
        as_it_is.expect(200);
        assert_eq!(as_it_is.header("content-encoding"), "", "{path}");
        let mut tags = vec![as_it_is.header("etag").to_owned()];
        // Twice: what was made for the first one is given to the second.
        for (asked, coding) in [
            ("gzip", "gzip"),
            ("gzip", "gzip"),
            ("br", "br"),
            ("br;q=1, gzip;q=0.9", "br"),
            ("br;q=0.1, gzip", "gzip"),
            ("deflate", "deflate"),
            ("gzip, deflate, br, zstd", "br"),
            ("identity;q=0, *;q=0, gzip;q=0.5", "gzip"),
            ("zstd", ""),
            ("br;q=0", ""),
        ] {
            let answer = get(&user, &path, asked).await;
            assert_eq!(answer.status, 200, "{path}: {asked}");
            assert_eq!(answer.header("content-encoding"), coding, "{path}: {asked}");
            assert_eq!(answer.header("vary"), "accept-encoding", "{path}: {asked}");
            assert_eq!(answer.header("content-type"), "application/json", "{path}: {asked}");
            assert!(plain(&answer) == as_it_is.bytes, "{path}: {asked}");
            tags.push(answer.header("etag").to_owned());
        }
        if is_one_package(&path) {
            assert!(tags.iter().all(|tag| tag == "\"1\""), "{path}: {tags:?}");
            continue;
        }
        for tag in &tags {
            let again = coded(&user, Method::GET, &path, "gzip", Some(tag)).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}: {tag}");
            assert_eq!(again.header("etag"), tag, "the bytes that the client has");
            assert_eq!(again.header("vary"), "accept-encoding", "{path}");
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 4, "one for each coding: {path}: {tags:?}");
        user.get_with(&path, &[("if-none-match", "\"0123456789abcdef\"")]).await.expect(200);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body_in_every_coding() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for path in addresses(&app.admin().await).await {
        for coding in ["identity", "gzip", "br"] {
            let get = get(&user, &path, coding).await;
            let head = coded(&user, Method::HEAD, &path, coding, None).await;
            assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
            for name in ["content-type", "content-encoding", "etag", "cache-control", "vary"] {
                assert_eq!(head.header(name), get.header(name), "{path}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_refuses_every_coding_is_told_so() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for path in ["/movies", "/users/me"] {
        let refused = get(&user, path, "identity;q=0").await;
        refused.problem(406, "not_acceptable");
        assert_eq!(refused.header("vary"), "accept-encoding");
    }
}

/// Asks twice, so that the second answer is one that was kept.
async fn seen(client: &Client, path: &str) -> (String, Value) {
    let first = client.get(path).await;
    let kept = client.get(path).await;
    assert_eq!(kept.bytes, first.bytes, "{path}");
    (kept.header("etag").to_owned(), kept.expect(200))
}

/// What is seen after a change: never 304.
async fn after(client: &Client, path: &str, before: &(String, Value)) -> Value {
    let answer = client.get_with(path, &[("if-none-match", &before.0)]).await;
    let now = answer.expect(200);
    assert_ne!(now, before.1, "{path}");
    now
}

#[tokio::test]
async fn a_change_of_a_package_shows_in_the_very_next_request() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let list = seen(&user, "/packages?pageSize=100").await;
    let id = admin.make_package("Evenings", &[18]).await;
    let path = format!("/packages/{id}");
    let versions = format!("{path}/versions");
    let genres = format!("/genres?inPackage={id}");
    let made = after(&user, "/packages?pageSize=100", &list).await;
    assert!(made["data"].as_array().unwrap().iter().any(|it| it["id"] == id.as_str()));

    let list = seen(&user, "/packages?pageSize=100").await;
    let before = (seen(&user, &versions).await, seen(&user, &genres).await);
    let one = user.get(&path).await.expect(200);
    let edit = json!({ "name": "Nights", "genreIds": [18, 28] });
    admin.put_with(&path, &[("if-match", "\"1\"")], &edit).await.expect(200);
    assert_eq!(one["version"], 1);
    assert_eq!(user.get(&path).await.expect(200)["name"], "Nights");
    after(&user, "/packages?pageSize=100", &list).await;
    assert_eq!(after(&user, &versions, &before.0).await["data"].as_array().unwrap().len(), 2);
    assert_eq!(after(&user, &genres, &before.1).await["data"].as_array().unwrap().len(), 2);

    let list = seen(&user, "/packages?pageSize=100").await;
    let archived = seen(&admin, "/packages?archived=true").await;
    admin.delete(&path).await.expect(204);
    after(&user, "/packages?pageSize=100", &list).await;
    after(&admin, "/packages?archived=true", &archived).await;
    assert!(user.get(&path).await.expect(200)["archivedAt"].is_string());
}

#[tokio::test]
async fn a_package_forgets_who_made_it_with_the_account() {
    let app = TestApp::start_with(&[("WATCHME_PACKAGE_CREATORS", "users")]).await;
    let (maker, user) = (app.user().await, app.user().await);
    let path = format!("/packages/{}", maker.make_package("Mine", &[18]).await);
    assert_eq!(user.get(&path).await.expect(200)["createdBy"], maker.id.as_str());
    maker.delete(&format!("/users/{}", maker.id)).await.expect(204);
    assert_eq!(user.get(&path).await.expect(200)["createdBy"], Value::Null);
}

#[tokio::test]
async fn a_change_of_entitlement_shows_in_the_very_next_request() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let package = admin.make_package("Dramas", &[DRAMA]).await;
    let paths = ["/movies", "/movies/popular", "/movies/search?query=the", "/entitlements"];
    let empty = futures_util::future::join_all(paths.map(|path| seen(&user, path))).await;
    user.subscribe(&package).await;
    for (path, before) in paths.iter().zip(&empty) {
        after(&user, path, before).await;
    }
    let dramas = futures_util::future::join_all(paths.map(|path| seen(&user, path))).await;
    let edit = json!({ "name": "Westerns", "genreIds": [WESTERN], "applyTo": "all" });
    let path = format!("/packages/{package}");
    admin.put_with(&path, &[("if-match", "\"1\"")], &edit).await.expect(200);
    for (path, before) in paths.iter().zip(&dramas) {
        after(&user, path, before).await;
    }
    user.get(&format!("/movies/{FIGHT_CLUB}")).await.problem(403, "movie_not_entitled");
}

#[tokio::test]
async fn a_change_of_a_mark_shows_in_the_very_next_request() {
    let app = TestApp::start().await;
    let (user, other) = (app.subscriber(&[DRAMA]).await, app.subscriber(&[DRAMA]).await);
    let path = format!("/movies/{FIGHT_CLUB}");
    let mark = format!("/watched/{FIGHT_CLUB}");
    let unwatched = seen(&user, &path).await;
    assert_eq!(unwatched, seen(&other, &path).await, "the same for all who have not watched it");
    let viewing = json!({ "watchedAt": "2020-03-01T20:15:00Z" });
    user.put(&mark, &viewing).await.expect(201);
    let marked = after(&user, &path, &unwatched).await;
    assert_eq!((&marked["watched"], &marked["watchedAt"]), (&json!(true), &viewing["watchedAt"]));
    assert_eq!(seen(&other, &path).await, unwatched);

    let marked = seen(&user, &path).await;
    let later = json!({ "watchedAt": "2021-03-01T20:15:00Z" });
    let play = user.post(&format!("{mark}/plays"), &later).await.expect(201);
    let played = after(&user, &path, &marked).await;
    assert_eq!(played["watchedAt"], later["watchedAt"]);
    let play = format!("{mark}/plays/{}", play["id"].as_str().unwrap());
    user.delete(&play).await.expect(204);
    assert_eq!(seen(&user, &path).await, marked);
    user.delete(&mark).await.expect(204);
    assert_eq!(seen(&user, &path).await, unwatched);
}

#[tokio::test]
async fn a_change_of_what_tmdb_says_shows_when_it_is_fetched() {
    let double = TmdbDouble::start().await;
    let url = double.url();
    let settings = [
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", url.as_str()),
        ("WATCHME_CATALOGUE_PAGES", "1"),
    ];
    let app = TestApp::start_with(&settings).await;
    let (admin, user) = (app.admin().await, app.subscriber(&[DRAMA]).await);
    let first = user.get("/movies?genreId=18").await.data()[0].clone();
    let details = format!("/movies/{}", first["id"]);
    let paths = ["/genres?ids=18", "/packages?pageSize=100", "/entitlements", "/movies", &details];
    let before = futures_util::future::join_all(paths.map(|path| seen(&user, path))).await;
    double.edit(|tmdb| {
        tmdb.genres.insert(18, "Tragedy".to_owned());
    });
    admin.post("/genres/sync", &json!({})).await.expect(200);
    for (path, before) in paths.iter().zip(&before) {
        assert!(after(&user, path, before).await.to_string().contains("Tragedy"), "{path}");
    }
}

#[tokio::test]
async fn what_the_caches_do_is_counted() {
    let app = TestApp::start().await;
    let (user, other) = (app.subscriber(&[DRAMA]).await, app.subscriber(&[DRAMA]).await);
    for path in ["/movies", "/movies/550", "/movies/trending", "/genres", "/packages"] {
        for client in [&user, &other, &other] {
            client.get(path).await.expect(200);
        }
    }
    // Another way to ask the same.
    user.get("/movies?pageNumber=1&pageSize=10").await.expect(200);
    let metrics = app.client.get("//metrics").await.text();
    for (cache, hits, misses) in [
        ("pages", 3, 1),
        ("details", 2, 1),
        ("trending", 2, 1),
        ("genres", 2, 1),
        ("packages", 2, 1),
        ("watched_at", 1, 2),
    ] {
        for (outcome, count) in [("hit", hits), ("miss", misses)] {
            let name = "watchme_cache_requests_total";
            let line = format!("{name}{{cache=\"{cache}\",outcome=\"{outcome}\"}} {count}\n");
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
    }
    let bytes = metrics.lines().filter_map(|line| line.strip_prefix("watchme_cache_bytes{"));
    let bytes: Vec<f64> = bytes.map(|it| it.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(bytes.len(), 5);
    assert!(bytes.iter().all(|bytes| *bytes > 500.0), "{bytes:?}");
}
