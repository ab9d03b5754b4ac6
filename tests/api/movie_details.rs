//! `/movies/{id}`, and what all reads of movies have in common: tags, HEAD, forgetting.

use reqwest::Method;
use serde_json::json;

use crate::{
    movies::MOVIE_FIELDS,
    oracle::{DRAMA, WESTERN},
    support::TestApp,
};

#[tokio::test]
async fn details_add_to_the_movie_and_know_the_reader() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let details = user.get("/movies/550").await.expect(200);
    for field in MOVIE_FIELDS {
        assert!(details.get(field).is_some(), "{field}: {details}");
    }
    assert_eq!(details["id"], 550);
    assert_eq!(details["title"], "Fight Club");
    assert_eq!(details["runtime"], 139);
    assert_eq!(details["genres"], json!([{ "id": 18, "name": "Drama" }]));
    assert_eq!(details["watched"], false);
    user.put("/watched/550", &json!({})).await.expect(201);
    assert_eq!(user.get("/movies/550").await.expect(200)["watched"], true);
    assert_eq!(app.subscriber(&[DRAMA]).await.get("/movies/550").await.json()["watched"], false);
    user.delete("/watched/550").await.expect(204);
    assert_eq!(user.get("/movies/550").await.expect(200)["watched"], false);
}

#[tokio::test]
async fn details_of_what_one_may_not_see_are_403_and_of_what_is_not_there_404() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[WESTERN]).await;
    user.get("/movies/550").await.problem(403, "movie_not_entitled");
    // Without any subscription it is the same; an admin is a user like any other here.
    app.user().await.get("/movies/550").await.problem(403, "movie_not_entitled");
    app.admin().await.get("/movies/550").await.problem(403, "movie_not_entitled");
    for id in ["2000000000", "0", "-1", "abc", "550x", "99999999999999999999", "1.5", "%00"] {
        user.get(&format!("/movies/{id}")).await.problem(404, "movie_not_found");
    }
    app.client.get("/movies/550").await.problem(401, "unauthenticated");
    app.client.get("/movies/abc").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for path in
        ["/movies?pageSize=3", "/movies/popular", "/movies/search?query=love", "/movies/550"]
    {
        let answer = user.get(path).await;
        answer.expect(200);
        let tag = answer.header("etag").to_owned();
        assert!(tag.ends_with('"') && tag.len() > 2, "{path}: {tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()]
        {
            let again = user.get_with(path, &[("if-none-match", &known)]).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}: {known}");
            assert_eq!(again.header("etag"), tag);
        }
        let other = user.get_with(path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.expect(200), answer.json());
    }
    // Another page and another reader's view have another tag.
    let first = user.get("/movies?pageSize=3").await;
    let second = user.get("/movies?pageSize=3&pageNumber=2").await;
    assert_ne!(first.header("etag"), second.header("etag"));
    let before = user.get("/movies/550").await.header("etag").to_owned();
    user.put("/watched/550", &json!({})).await.expect(201);
    let after = user.get_with("/movies/550", &[("if-none-match", &before)]).await;
    assert_eq!(after.expect(200)["watched"], true);
    // What one may not see is never 304.
    let held = user.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
    let tag = after.header("etag").to_owned();
    assert_eq!(user.delete(&format!("/subscriptions/{held}")).await.status / 100, 2);
    user.get_with("/movies/550", &[("if-none-match", &tag)])
        .await
        .problem(403, "movie_not_entitled");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for path in ["/movies", "/movies/popular", "/movies/search?query=love", "/movies/550"] {
        let get = user.get(path).await;
        let head = user.send(Method::HEAD, path, &[], None).await.unwrap();
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
        for header in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(header), get.header(header), "{path}: {header}");
        }
    }
    let head = user.send(Method::HEAD, "/movies/11", &[], None).await.unwrap();
    assert_eq!((head.status, head.bytes.len()), (403, 0));
    let post = user.post("/movies", &json!({})).await;
    post.problem(405, "method_not_allowed");
    assert!(post.header("allow").contains("GET") && post.header("allow").contains("HEAD"));
}

#[tokio::test]
async fn only_an_admin_forgets_movies() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.subscriber(&[DRAMA]).await);
    let before = user.get("/movies").await.expect(200);
    for path in ["/admin/cache/movies", "/admin/cache/movies/550"] {
        app.client.delete(path).await.problem(401, "unauthenticated");
        user.delete(path).await.problem(403, "admin_only");
        assert_eq!(admin.delete(path).await.status, 204, "{path}");
    }
    admin.delete("/admin/cache/movies/abc").await.problem(404, "movie_not_found");
    // Forgotten is what was remembered, not what is stored.
    assert_eq!(user.get("/movies").await.expect(200), before);
    assert_eq!(user.get("/movies/550").await.expect(200)["id"], 550);
}
