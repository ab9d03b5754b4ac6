//! `GET /reports` as CSV and NDJSON: all reports in one answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    oracle::{DRAMA, FIGHT_CLUB, walk},
    support::{Answer, Client, TestApp},
};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

async fn all(client: &Client, accept: &str) -> Answer {
    client.get_with("/reports", &[("accept", accept)]).await
}

fn lists(answer: &Answer, header: &str, wanted: &str) -> bool {
    let values = answer.headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(wanted))
}

/// A report as its row.
fn row(report: &Value) -> String {
    let text = |value: &Value| format!("\"{}\"", value.as_str().unwrap_or_default());
    let number = |value: &Value| if value.is_null() { "\"\"".into() } else { value.to_string() };
    let (theme, film) = (&report["mostWatchedTheme"], &report["lastFilmWatched"]);
    [
        text(&report["userId"]),
        number(&report["totalFilmsWatched"]),
        number(&theme["themeId"]),
        text(&theme["themeName"]),
        number(&theme["totalFilmsWatched"]),
        number(&film["movieId"]),
        text(&film["movieName"]),
    ]
    .join(",")
}

#[tokio::test]
async fn an_export_is_every_page_in_one_answer() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for n in 0..6 {
        let user = app.subscriber(&[DRAMA]).await;
        if n % 2 == 0 {
            // It is in the export, whether its event has been folded or not.
            user.put(&format!("/watched/{FIGHT_CLUB}"), &json!({})).await.expect(201);
        }
        if n == 5 {
            user.delete(&format!("/users/{}", user.id)).await.expect(204);
        }
    }
    let pages = walk(&admin, "/reports", 3).await;
    assert_eq!(pages.len(), 6);

    let lines = all(&admin, NDJSON).await;
    lines.expect(200);
    assert_eq!(lines.header("content-type"), NDJSON);
    let exported: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, pages);
    assert!(lines.text().ends_with('\n'));

    let csv = all(&admin, CSV).await;
    csv.expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"reports.csv\"");
    let text = csv.text();
    let (columns, rows) = text.split_once("\r\n").unwrap();
    assert!(columns.starts_with("\"userId\",\"totalFilmsWatched\","), "{columns}");
    let wanted: String = pages.iter().map(|report| row(report) + "\r\n").collect();
    assert_eq!(rows, wanted);
    for answer in [lines, csv] {
        for varies in ["accept", "accept-encoding"] {
            assert!(lists(&answer, "vary", varies), "{:?}", answer.headers);
        }
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn the_client_says_what_it_wants() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for page in ["*/*", "text/csv;q=0.9, application/json", "application/*", "nonsense"] {
        let answer = all(&admin, page).await;
        assert_eq!(answer.data().len(), 1, "{page}");
        assert!(lists(&answer, "vary", "accept"), "{:?}", answer.headers);
    }
    for (accept, kind) in
        [("text/*", CSV), ("application/json;q=0.1, application/x-ndjson;q=0.2", NDJSON)]
    {
        let answer = all(&admin, accept).await;
        answer.expect(200);
        assert!(answer.header("content-type").starts_with(kind), "{accept}");
    }
    all(&admin, "text/html").await.problem(406, "not_acceptable");
    let head = [("accept", CSV)];
    let head = admin.send(Method::HEAD, "/reports", &head, None).await.unwrap();
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert!(head.header("content-type").starts_with(CSV));
    // What is asked of a page is not silently ignored.
    for query in ["pageNumber=2", "pageSize=50", "nope=1"] {
        let answer = admin.get_with(&format!("/reports?{query}"), &[("accept", CSV)]).await;
        answer.problem(400, "invalid_query");
    }
    // Who may comes first.
    app.user().await.get_with("/reports", &[("accept", CSV)]).await.problem(403, "admin_only");
    app.client.get_with("/reports", &[("accept", CSV)]).await.problem(401, "unauthenticated");
}
