//! The list of genres and its synchronisation.

use serde_json::{Value, json};

use crate::support::{
    Client, TestApp,
    tmdb_double::{Behaviour, TmdbDouble, V3_KEY},
};

/// The demo catalogue's.
const COUNT: usize = 19;

async fn ids(client: &Client, query: &str) -> Vec<i64> {
    let genres = client.get(&format!("/genres?pageSize=100&{query}")).await.data();
    genres.iter().map(|genre| genre["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn any_user_reads_the_list_in_pages() {
    let app = TestApp::start().await;
    app.client.get("/genres").await.problem(401, "unauthenticated");
    let user = app.user().await;
    let first = user.get("/genres").await;
    assert_eq!(first.data().len(), 10);
    assert_eq!(
        first.json()["pagination"],
        json!({ "pageNumber": 1, "pageSize": 10, "totalPages": 2, "totalItems": COUNT,
            "firstPage": true, "lastPage": false })
    );
    assert_eq!(user.get("/genres?pageNumber=2").await.data().len(), COUNT - 10);
    let all = user.get("/genres?pageSize=100").await.data();
    let drama = all.iter().find(|genre| genre["id"] == 18).unwrap();
    assert_eq!((&drama["name"], &drama["retired"]), (&json!("Drama"), &json!(false)));
    assert!(drama["updatedAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn filters_combine_and_refuse_what_they_do_not_know() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let family = app.admin().await.package("Family Night").await;
    let by_id = |mut ids: Vec<i64>| {
        ids.sort_unstable();
        ids
    };
    for (query, found) in [
        ("name=fi".to_owned(), vec![878]),
        ("name=WAR".to_owned(), vec![10752]),
        ("name=%25".to_owned(), vec![]),
        ("ids=18,28".to_owned(), vec![18, 28]),
        ("ids=18&ids=28".to_owned(), vec![18, 28]),
        ("ids=4711".to_owned(), vec![]),
        ("ids=4711,18".to_owned(), vec![18]),
        (format!("inPackage={family}"), vec![12, 14, 16, 35, 10402, 10751]),
        (format!("inPackage={family}&ids=18,35"), vec![35]),
        (format!("inPackage={family}&name=comedy&retired=false"), vec![35]),
        ("inPackage=01900000-0000-7000-8000-000000000000".to_owned(), vec![]),
        ("retired=true".to_owned(), vec![]),
    ] {
        assert_eq!(by_id(ids(&user, &query).await), found, "{query}");
    }
    assert_eq!(ids(&user, "retired=false").await.len(), COUNT);
    for (query, field) in [
        ("ids=x", "ids"),
        ("ids=-1", "ids"),
        ("ids=", "ids"),
        ("ids=99999999999999999999", "ids"),
        ("inPackage=1", "inPackage"),
        ("retired=1", "retired"),
        ("retired=True", "retired"),
        ("sort=size", "sort"),
        ("sort=", "sort"),
        ("sort=--name", "sort"),
        ("genre=18", "genre"),
    ] {
        let problem = user.get(&format!("/genres?{query}")).await.problem(400, "invalid_query");
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
}

#[tokio::test]
async fn the_order_is_the_one_asked_for() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut up = ids(&user, "").await;
    assert!(up.is_sorted(), "by id when nothing is asked for");
    assert_eq!(ids(&user, "sort=id").await, up);
    up.reverse();
    assert_eq!(ids(&user, "sort=-id").await, up);
    let names = async |sort: &str| -> Vec<Value> {
        let genres = user.get(&format!("/genres?pageSize=100&sort={sort}")).await.data();
        genres.iter().map(|genre| genre["name"].clone()).collect()
    };
    let mut sorted = names("name").await;
    assert!(sorted.is_sorted_by_key(|name| name.as_str().unwrap().to_lowercase()));
    assert_eq!(sorted.len(), COUNT);
    sorted.reverse();
    assert_eq!(names("-name").await, sorted);
    let first = user.get("/genres?pageSize=1&sort=-name").await.data();
    assert_eq!(first[0]["name"], "Western", "the order comes before the page");
}

#[tokio::test]
async fn a_list_that_the_client_has_is_not_sent_again() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let first = user.get("/genres").await;
    let tag = first.header("etag").to_owned();
    assert!(!tag.is_empty());
    let again = user.get_with("/genres", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    assert_eq!(again.header("etag"), tag);
    let other = user.get_with("/genres?pageNumber=2", &[("if-none-match", &tag)]).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn the_first_request_of_a_first_start_waits_for_the_list() {
    let app = TestApp::start_empty(&[]).await;
    let admin = app.admin().await;
    assert_eq!(ids(&admin, "").await.len(), COUNT);
}

#[tokio::test]
async fn the_operator_sees_and_starts_the_synchronisation() {
    let app = TestApp::start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    user.get("/genres/sync").await.problem(403, "admin_only");
    user.post("/genres/sync", &json!({})).await.problem(403, "admin_only");
    app.client.get("/genres/sync").await.problem(401, "unauthenticated");
    let before = admin.get("/genres/sync").await.expect(200);
    assert!(before["lastSuccess"].is_string(), "{before}");
    assert_eq!(before["lastFailure"], Value::Null);
    let run = admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!((&run["running"], &run["changed"]), (&json!(false), &json!(0)));
    let at =
        |sync: &Value| sync["lastSuccess"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at(&run) > at(&before), "{before} {run}");
    assert_eq!(admin.get("/genres/sync").await.expect(200), run);
}

#[tokio::test]
async fn a_synchronisation_brings_what_changed_and_a_failed_one_nothing() {
    let double = TmdbDouble::start().await;
    let url = double.url();
    let settings = [
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", url.as_str()),
        ("WATCHME_CATALOGUE_PAGES", "1"),
    ];
    let app = TestApp::start_with(&settings).await;
    let admin = app.admin().await;
    admin.post("/genres/sync", &json!({})).await.expect(200);
    let package = admin.make_package("West", &[37, 18]).await;
    let unchanged = admin.get("/genres?ids=18").await.data();

    double.edit(|tmdb| {
        tmdb.genres.remove(&37);
        tmdb.genres.insert(28, "Explosions".to_owned());
        tmdb.genres.insert(4711, "Noir".to_owned());
    });
    let run = admin.post("/genres/sync", &json!({})).await.expect(200);
    assert_eq!(run["changed"], 3, "{run}");
    assert_eq!(ids(&admin, "retired=true").await, [37]);
    assert_eq!(admin.get("/genres?ids=28").await.data()[0]["name"], "Explosions");
    assert_eq!(ids(&admin, "name=noir").await, [4711]);
    assert_eq!(admin.get("/genres?ids=18").await.data(), unchanged);

    // The package keeps the genre that was dropped; no new one takes it.
    let path = format!("/packages/{package}");
    let kept = admin.get(&path).await.expect(200);
    assert_eq!(
        kept["genres"],
        json!([{ "id": 18, "name": "Drama" }, { "id": 37, "name": "Western" }])
    );
    let edit = json!({ "name": "Wild West", "genreIds": [37] });
    admin.put_with(&path, &[("if-match", "\"1\"")], &edit).await.expect(200);
    let refused = json!({ "name": "More", "genreIds": [18, 37] });
    admin.post("/packages", &refused).await.invalid("genreIds[1]");

    let before = admin.get("/genres?pageSize=100").await.data();
    double.set(Behaviour::Raw(200, json!({ "genres": [] }).to_string()));
    assert_eq!(admin.post("/genres/sync", &json!({})).await.status, 503);
    double.set(Behaviour::Html(200));
    let failed = admin.post("/genres/sync", &json!({})).await;
    failed.expect(503);
    assert!(!failed.header("retry-after").is_empty());
    assert_eq!(admin.get("/genres?pageSize=100").await.data(), before);
    let status = admin.get("/genres/sync").await.expect(200);
    assert_eq!(status["lastSuccess"], run["lastSuccess"]);
    assert!(status["lastFailure"].is_string(), "{status}");
}
