//! Packages: their versions, who makes them, and what an edit does to those who hold them.

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp};

async fn edit(who: &Client, id: &str, version: &str, body: &Value) -> Answer {
    let tag = format!("\"{version}\"");
    who.put_with(&format!("/packages/{id}"), &[("if-match", &tag)], body).await
}

/// The ids of genres that a user may see now.
async fn entitled(user: &Client) -> Vec<i64> {
    let found = user.get("/entitlements").await.expect(200);
    found["genres"].as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

async fn names(who: &Client, query: &str) -> Vec<String> {
    let packages = who.get(&format!("/packages?pageSize=100&{query}")).await.data();
    packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_package_is_made_by_an_admin_and_read_by_anybody() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let body = json!({ "name": " Evenings ", "genreIds": [53, 18, 18] });
    user.post("/packages", &body).await.problem(403, "admin_only");
    app.client.post("/packages", &body).await.problem(401, "unauthenticated");
    let made = admin.post("/packages", &body).await;
    let package = made.expect(201);
    let id = package["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/packages/{id}"));
    assert_eq!(package["name"], "Evenings");
    let genres = json!([{ "id": 18, "name": "Drama" }, { "id": 53, "name": "Thriller" }]);
    assert_eq!(package["genres"], genres);
    assert_eq!((&package["version"], &package["archivedAt"]), (&json!(1), &Value::Null));
    assert_eq!(package["createdBy"], admin.id);
    assert_eq!(package["createdAt"], package["updatedAt"]);
    let read = user.get(&format!("/packages/{id}")).await;
    assert_eq!(read.expect(200), package);
    assert_eq!(read.header("etag"), "\"1\"");
    // Genres are renamed and packages archived without a new version: nobody is told 304.
    let known = [("if-none-match", "\"1\"")];
    user.get_with(&format!("/packages/{id}"), &known).await.expect(200);
    app.client.get(&format!("/packages/{id}")).await.problem(401, "unauthenticated");
    for missing in ["01900000-0000-7000-8000-000000000000", "1"] {
        for rest in ["", "/versions"] {
            let answer = user.get(&format!("/packages/{missing}{rest}")).await;
            answer.problem(404, "package_not_found");
        }
    }
}

#[tokio::test]
async fn genres_have_to_exist_and_the_unknown_ones_are_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({ "name": "Odd", "genreIds": [18, 4711, 28, 815] });
    let answer = admin.post("/packages", &body).await;
    let problem = answer.problem(422, "validation_failed");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    for unknown in ["4711", "815"] {
        assert!(problem["errors"].to_string().contains(unknown), "{unknown}: {problem}");
    }
    for (field, body) in [
        ("genreIds", json!({ "name": "Odd", "genreIds": [] })),
        ("genreIds", json!({ "name": "Odd" })),
        ("genreIds", json!({ "name": "Odd", "genreIds": 18 })),
        ("genreIds", json!({ "name": "Odd", "genreIds": null })),
        ("genreIds[0]", json!({ "name": "Odd", "genreIds": ["18"] })),
        ("genreIds[0]", json!({ "name": "Odd", "genreIds": [18.5] })),
        ("genreIds[0]", json!({ "name": "Odd", "genreIds": [-1] })),
        ("genreIds[0]", json!({ "name": "Odd", "genreIds": [0] })),
        ("genreIds", json!({ "name": "Odd", "genreIds": vec![18; 5000] })),
        ("name", json!({ "genreIds": [18] })),
        ("name", json!({ "name": " ", "genreIds": [18] })),
        ("name", json!({ "name": "x".repeat(101), "genreIds": [18] })),
        ("price", json!({ "name": "Odd", "genreIds": [18], "price": 1 })),
        ("applyTo", json!({ "name": "Odd", "genreIds": [18], "applyTo": "all" })),
    ] {
        admin.post("/packages", &body).await.invalid(field);
    }
    let id = admin.make_package("Even", &[18]).await;
    let body = json!({ "name": "Even", "genreIds": [18, 4711] });
    assert!(
        edit(&admin, &id, "1", &body).await.invalid("genreIds[1]").to_string().contains("4711")
    );
    let body = json!({ "name": "Even", "genreIds": [18], "applyTo": "some" });
    edit(&admin, &id, "1", &body).await.invalid("applyTo");
    assert!(names(&admin, "name=odd").await.is_empty());
}

#[tokio::test]
async fn an_edit_makes_the_next_version_and_has_to_know_the_last() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let id = admin.make_package("One", &[18]).await;
    let path = format!("/packages/{id}");
    let body = json!({ "name": "Two", "genreIds": [28] });
    user.put(&path, &body).await.problem(403, "admin_only");
    admin.put(&path, &body).await.problem(428, "precondition_required");
    admin.put_with(&path, &[("if-match", "1")], &body).await.problem(400, "invalid_header");
    edit(&admin, &id, "2", &body).await.problem(412, "version_mismatch");
    edit(&admin, &id, "x", &body).await.problem(412, "version_mismatch");
    // What is not valid comes before what is missing, and that before what is stale.
    admin.put(&path, &json!({ "name": "", "genreIds": [28] })).await.invalid("name");
    let missing = "/packages/01900000-0000-7000-8000-000000000000";
    admin.put(missing, &json!(1)).await.problem(404, "package_not_found");
    assert_eq!(admin.get(&path).await.expect(200)["version"], 1);

    let edited = edit(&admin, &id, "1", &body).await;
    let now = edited.expect(200);
    assert_eq!((&now["version"], &now["name"]), (&json!(2), &json!("Two")));
    assert_eq!(edited.header("etag"), "\"2\"");
    let read = user.get(&path).await;
    assert_eq!((read.expect(200), read.header("etag")), (now, "\"2\""));
    edit(&admin, &id, "1", &body).await.problem(412, "version_mismatch");

    let versions = user.get(&format!("{path}/versions")).await;
    let versions = versions.data();
    let of = |version: &Value| (version["version"].clone(), version["name"].clone());
    assert_eq!(of(&versions[0]), (json!(2), json!("Two")));
    assert_eq!(of(&versions[1]), (json!(1), json!("One")));
    assert_eq!(versions[1]["genres"], json!([{ "id": 18, "name": "Drama" }]));
    let second = user.get(&format!("{path}/versions?pageSize=1&pageNumber=2")).await;
    assert_eq!(second.data(), versions[1..]);
    user.get(&format!("{path}/versions?pageNumber=0")).await.problem(400, "invalid_query");
}

#[tokio::test]
async fn of_eight_edits_at_once_one_is_taken() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = admin.make_package("One", &[18]).await;
    let bodies: Vec<_> =
        (0..8).map(|n| json!({ "name": format!("Edit {n}"), "genreIds": [18] })).collect();
    let all = bodies.iter().map(|body| edit(&admin, &id, "1", body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(412, "version_mismatch");
    }
    assert_eq!(admin.get(&format!("/packages/{id}")).await.expect(200)["version"], 2);
}

#[tokio::test]
async fn an_edit_for_new_subscriptions_leaves_todays_subscribers_as_they_are() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = admin.make_package("One", &[18, 28]).await;
    let old = app.user().await;
    old.subscribe(&id).await;
    // `new` is also what counts when nothing is said.
    let body = json!({ "name": "Two", "genreIds": [35] });
    edit(&admin, &id, "1", &body).await.expect(200);
    let body = json!({ "name": "Three", "genreIds": [36], "applyTo": "new" });
    edit(&admin, &id, "2", &body).await.expect(200);
    let new = app.user().await;
    new.subscribe(&id).await;
    assert_eq!(entitled(&old).await, [18, 28]);
    assert_eq!(entitled(&new).await, [36]);
    let held = &old.get("/subscriptions").await.data()[0]["package"];
    assert_eq!(*held, json!({ "id": id, "name": "One", "version": 1 }));
    let held = &new.get("/subscriptions").await.data()[0]["package"];
    assert_eq!(*held, json!({ "id": id, "name": "Three", "version": 3 }));
}

#[tokio::test]
async fn an_edit_for_all_takes_effect_on_the_next_request_of_every_subscriber() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let id = admin.make_package("One", &[18]).await;
    let (old, other) = (app.user().await, app.user().await);
    old.subscribe(&id).await;
    edit(&admin, &id, "1", &json!({ "name": "Two", "genreIds": [28] })).await.expect(200);
    other.subscribe(&id).await;
    assert_eq!((entitled(&old).await, entitled(&other).await), (vec![18], vec![28]));

    let body = json!({ "name": "Three", "genreIds": [35, 36], "applyTo": "all" });
    edit(&admin, &id, "2", &body).await.expect(200);
    for user in [&old, &other] {
        assert_eq!(entitled(user).await, [35, 36]);
        let held = &user.get("/subscriptions").await.data()[0]["package"];
        assert_eq!(*held, json!({ "id": id, "name": "Three", "version": 3 }));
    }
    // A later edit for new subscriptions does not take the floor along.
    edit(&admin, &id, "3", &json!({ "name": "Four", "genreIds": [37] })).await.expect(200);
    let late = app.user().await;
    late.subscribe(&id).await;
    assert_eq!(entitled(&old).await, [35, 36]);
    assert_eq!(entitled(&late).await, [37]);
}

#[tokio::test]
async fn an_archived_package_takes_nobody_new_and_keeps_those_it_has() {
    let app = TestApp::start().await;
    let (admin, user, late) = (app.admin().await, app.user().await, app.user().await);
    let id = admin.make_package("One", &[18]).await;
    let path = format!("/packages/{id}");
    user.subscribe(&id).await;
    user.delete(&path).await.problem(403, "admin_only");
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect(204);
    admin.delete("/packages/1").await.problem(404, "package_not_found");

    assert_eq!(entitled(&user).await, [18]);
    let body = json!({ "packageId": id });
    late.post("/subscriptions", &body).await.problem(409, "package_archived");
    let by_admin = format!("/users/{}/subscriptions", late.id);
    admin.post(&by_admin, &body).await.problem(409, "package_archived");
    // Whoever remembers the package as it was gets to see that it is archived.
    let archived = user.get_with(&path, &[("if-none-match", "\"1\"")]).await;
    let tag = archived.header("etag").trim_matches('"').to_owned();
    let archived = archived.expect(200);
    assert!(archived["archivedAt"].as_str().unwrap().ends_with('Z'));
    let body = json!({ "name": "Two", "genreIds": [28] });
    for version in ["1", &tag] {
        edit(&admin, &id, version, &body).await.problem(409, "package_archived");
    }
    assert_eq!(admin.get(&format!("{path}/versions")).await.data().len(), 1);

    assert!(!names(&admin, "").await.contains(&"One".to_owned()));
    assert_eq!(names(&admin, "archived=true").await, ["One"]);
    assert!(!names(&admin, "archived=false").await.contains(&"One".to_owned()));
    user.get("/packages?archived=true").await.problem(403, "admin_only");
}

#[tokio::test]
async fn a_name_belongs_to_one_package_that_is_not_archived() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let one = admin.make_package("One", &[18]).await;
    let two = admin.make_package("Two", &[18]).await;
    for name in ["One", " ONE "] {
        let body = json!({ "name": name, "genreIds": [28] });
        admin.post("/packages", &body).await.problem(409, "package_name_taken");
        edit(&admin, &two, "1", &body).await.problem(409, "package_name_taken");
    }
    // Its own name is nobody else's.
    edit(&admin, &one, "1", &json!({ "name": "ONE", "genreIds": [28] })).await.expect(200);
    admin.delete(&format!("/packages/{one}")).await.expect(204);
    admin.make_package("One", &[18]).await;
    // A name that was given up is free.
    edit(&admin, &two, "1", &json!({ "name": "Three", "genreIds": [18] })).await.expect(200);
    admin.make_package("Two", &[18]).await;

    let body = json!({ "name": "Race", "genreIds": [18] });
    let all = (0..8).map(|_| admin.post("/packages", &body));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 7);
}

#[tokio::test]
async fn packages_are_found_by_name_and_genre() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    admin.make_package("100% Westerns", &[37]).await;
    let moved = admin.make_package("Moved", &[37]).await;
    edit(&admin, &moved, "1", &json!({ "name": "Moved", "genreIds": [36] })).await.expect(200);
    for (query, found) in [
        ("name=FAMILY", vec!["Family Night"]),
        ("name=%25", vec!["100% Westerns"]),
        ("name=_", vec![]),
        ("genreId=37", vec!["100% Westerns"]),
        ("genreId=36", vec!["Arthouse", "Moved"]),
        ("genreId=36&name=mov", vec!["Moved"]),
        ("genreId=4711", vec![]),
    ] {
        let mut got = names(&user, query).await;
        got.sort();
        assert_eq!(got, found, "{query}");
    }
    assert_eq!(names(&user, "").await.len(), 5);
    for query in ["genreId=x", "genreId=", "name=", "genreIds=1", "genreId=1&genreId=2"] {
        user.get(&format!("/packages?{query}")).await.problem(400, "invalid_query");
    }
    let archived = admin.get("/packages?archived=1").await;
    archived.problem(400, "invalid_query");
}

#[tokio::test]
async fn where_the_operator_says_so_users_make_packages_and_edit_their_own() {
    let app = TestApp::start_with(&[("WATCHME_PACKAGE_CREATORS", "users")]).await;
    let (ada, bob, admin) = (app.user().await, app.user().await, app.admin().await);
    let id = ada.make_package("Ada's", &[18]).await;
    let body = json!({ "name": "Ada's own", "genreIds": [28] });
    edit(&bob, &id, "1", &body).await.problem(403, "not_owner");
    bob.put(&format!("/packages/{id}"), &json!([])).await.problem(403, "not_owner");
    edit(&ada, &id, "1", &body).await.expect(200);
    edit(&admin, &id, "2", &json!({ "name": "Ada's", "genreIds": [28] })).await.expect(200);
    let demo = admin.package("Arthouse").await;
    edit(&ada, &demo, "1", &body).await.problem(403, "not_owner");
    app.client.post("/packages", &body).await.problem(401, "unauthenticated");
    ada.delete(&format!("/packages/{id}")).await.problem(403, "admin_only");
    let read = bob.get(&format!("/packages/{id}")).await.expect(200);
    assert_eq!((&read["createdBy"], &read["version"]), (&json!(ada.id), &json!(3)));
}
