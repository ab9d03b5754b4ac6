//! The arithmetic of pages, the same for every list.

use serde_json::json;

use crate::support::{Client, TestApp};

/// Every list of this crate's resources, for an admin.
fn lists(user: &Client, package: &str) -> Vec<String> {
    vec![
        "/genres".to_owned(),
        "/users".to_owned(),
        "/packages".to_owned(),
        format!("/packages/{package}/versions"),
        "/subscriptions".to_owned(),
        format!("/users/{}/subscriptions", user.id),
        "/movies".to_owned(),
        "/watched".to_owned(),
        "/reports".to_owned(),
    ]
}

#[tokio::test]
async fn what_is_no_page_is_refused_by_every_list() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let package = admin.package("Arthouse").await;
    for list in lists(&user, &package) {
        for field in ["pageNumber", "pageSize"] {
            for bad in ["0", "-1", "x", "", "1.5", "1e2", "%201", "+1", "0x1", "%D9%A1", "NaN"] {
                let answer = admin.get(&format!("{list}?{field}={bad}")).await;
                assert_eq!(answer.status, 400, "{list}?{field}={bad}: {}", answer.text());
                let problem = answer.problem(400, "invalid_query");
                assert_eq!(problem["errors"][0]["field"], field, "{problem}");
            }
        }
        let both = admin.get(&format!("{list}?pageNumber=x&pageSize=0")).await;
        let errors = both.problem(400, "invalid_query")["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 2, "{list}: both are named");
        let twice = admin.get(&format!("{list}?pageNumber=1&pageNumber=2")).await;
        twice.problem(400, "invalid_query");
        let unknown = admin.get(&format!("{list}?page=1")).await;
        unknown.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn every_list_has_the_same_form_on_every_page() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let package = admin.package("Arthouse").await;
    for list in lists(&user, &package) {
        let first = admin.get(&list).await;
        let items = first.data().len();
        let pagination = first.json()["pagination"].clone();
        let total = pagination["totalItems"].as_u64().unwrap();
        assert_eq!(pagination["pageNumber"], 1, "{list}");
        assert_eq!(pagination["pageSize"], 10, "{list}");
        assert_eq!(pagination["totalPages"].as_u64().unwrap(), total.div_ceil(10), "{list}");
        assert_eq!(pagination["firstPage"], true, "{list}");
        assert_eq!(pagination["lastPage"], total <= 10, "{list}");
        assert_eq!(items as u64, total.min(10), "{list}");

        for beyond in ["1000", "4294967295", "4294967296", "99999999999999999999999999"] {
            let answer = admin.get(&format!("{list}?pageNumber={beyond}")).await;
            assert!(answer.data().is_empty(), "{list}?pageNumber={beyond}");
            let after = &answer.json()["pagination"];
            assert_eq!(after["lastPage"], true, "{list}: {after}");
            assert_eq!(after["totalPages"], pagination["totalPages"], "{list}: {after}");
            assert_eq!(after["firstPage"], total == 0, "{list}: {after}");
        }
        for (asked, used) in
            [("1", 1), ("100", 100), ("101", 100), ("100000", 100), ("4294967296", 100)]
        {
            let answer = admin.get(&format!("{list}?pageSize={asked}")).await;
            let pagination = &answer.json()["pagination"];
            assert_eq!(pagination["pageSize"], used, "{list}?pageSize={asked}");
            assert_eq!(pagination["totalPages"].as_u64().unwrap(), total.div_ceil(used));
            assert_eq!(answer.data().len() as u64, total.min(used), "{list}");
        }
    }
}

#[tokio::test]
async fn the_edges_of_a_list_are_where_they_belong() {
    let app = TestApp::start().await;
    let user = app.user().await;
    // 19 genres; one page exactly, one more and one fewer than two pages, nothing.
    for (query, page, pages, count, first, last) in [
        ("pageSize=19", 1, 1, 19, true, true),
        ("pageSize=18", 1, 2, 18, true, false),
        ("pageSize=18&pageNumber=2", 2, 2, 1, false, true),
        ("pageSize=20", 1, 1, 19, true, true),
        ("pageSize=10&pageNumber=2", 2, 2, 9, false, true),
        ("pageSize=1&pageNumber=19", 19, 19, 1, false, true),
        ("pageSize=1&pageNumber=18", 18, 19, 1, false, false),
        ("pageSize=1&pageNumber=20", 20, 19, 0, false, true),
        ("pageNumber=0002", 2, 2, 9, false, true),
        ("retired=true", 1, 0, 0, true, true),
        ("retired=true&pageNumber=3", 3, 0, 0, true, true),
    ] {
        let answer = user.get(&format!("/genres?{query}")).await;
        assert_eq!(answer.data().len(), count, "{query}");
        let pagination = &answer.json()["pagination"];
        let expected = json!([page, pages, first, last]);
        let got = json!([
            pagination["pageNumber"],
            pagination["totalPages"],
            pagination["firstPage"],
            pagination["lastPage"]
        ]);
        assert_eq!(got, expected, "{query}");
    }
}

#[tokio::test]
async fn no_subscription_no_movies_and_that_is_an_empty_page() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for list in
        ["/movies", "/movies/popular", "/movies/search?query=a", "/subscriptions", "/watched"]
    {
        let answer = user.get(list).await;
        assert!(answer.data().is_empty(), "{list}");
        let pagination = &answer.json()["pagination"];
        assert_eq!(pagination["totalPages"], 0, "{list}");
        assert_eq!(
            (&pagination["firstPage"], &pagination["lastPage"]),
            (&json!(true), &json!(true))
        );
    }
}
