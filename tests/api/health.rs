//! Probes and metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;

use crate::{
    oracle::{DRAMA, assert_fields},
    support::{Client, TestApp},
};

/// The samples of a scrape, by their name with labels. Insists on Prometheus' text format.
pub(crate) async fn scrape(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("//metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    parse(&answer.text())
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut samples = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a text of help");
            assert!(helped.insert(name) && !help.is_empty(), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(name, kind).is_none(), "{name} is described twice");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').expect("an end of labels")),
                None => (series, ""),
            };
            assert!(is_name(name), "{line}");
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").expect("a label");
                assert!(is_name(label) && !value.contains('\n'), "{line}");
            }
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| {
                    name.strip_suffix(end).filter(|it| types.get(it) == Some(&"histogram"))
                })
                .unwrap_or(name);
            assert!(types.contains_key(family) && helped.contains(family), "{line} has no head");
            if types[family] != "gauge" {
                assert!(value >= 0.0, "{line}");
            }
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes twice");
        }
    }
    samples
}

#[tokio::test]
async fn probes_answer_anyone() {
    let app = TestApp::start().await;
    for path in ["//livez", "//readyz"] {
        let answer = app.client.get(path).await;
        assert!(matches!(answer.status, 200 | 204), "{path}: {}", answer.status);
        assert!(!answer.header("x-request-id").is_empty());
        let head = app.client.send(Method::HEAD, path, &[], None).await.unwrap();
        assert_eq!(head.status, answer.status);
        app.client.post(path, &json!({})).await.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn health_tells_of_each_dependency_and_of_the_catalogue() {
    let app = TestApp::start().await;
    // The bus may be looked for a moment longer than the service takes to start.
    let mut health = app.client.get("//health").await.expect(200);
    for _ in 0..100 {
        if health["status"] == "pass" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        health = app.client.get("//health").await.expect(200);
    }
    assert_eq!(health["status"], "pass", "{health}");
    for check in ["sql", "documents", "bus", "tmdb"] {
        assert_eq!(health["checks"][check]["status"], "pass", "{health}");
    }
    assert_eq!(health["catalogue"]["state"], "ready");
    assert_eq!(health["catalogue"]["movies"], 3000);
    assert_fields(&health, &["status", "checks", "catalogue"]);

    // After a first start the pages are counted.
    let app = TestApp::start_empty(&[]).await;
    let during = app.client.get("//health").await.expect(200);
    let state = during["catalogue"]["state"].as_str().unwrap();
    assert!(["syncing", "ready"].contains(&state), "{during}");
    app.catalogue_ready().await;
    let after = app.client.get("//health").await.expect(200);
    let catalogue = &after["catalogue"];
    assert_eq!(catalogue["state"], "ready");
    assert!(catalogue["pagesTotal"].as_u64().unwrap() > 19, "{catalogue}");
    assert_eq!(catalogue["pagesDone"], catalogue["pagesTotal"]);
    assert!(catalogue["movies"].as_u64().unwrap() == 3000, "{catalogue}");
    assert!(after["checks"]["catalogueSync"]["lastSuccess"].is_string(), "{after}");
}

#[tokio::test]
async fn requests_are_counted_by_pattern_and_status_without_ids() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let count = |samples: &BTreeMap<String, f64>, route: &str, status: &str| -> f64 {
        let wanted = [format!("route=\"{route}\""), format!("status=\"{status}\"")];
        samples
            .iter()
            .filter(|(name, _)| name.starts_with("watchme_http_requests_total{"))
            .filter(|(name, _)| wanted.iter().all(|label| name.contains(label)))
            .map(|(_, value)| value)
            .sum()
    };
    let before = scrape(&app.client).await;
    for id in [550, 13, 14] {
        user.get(&format!("/movies/{id}")).await.expect(200);
    }
    user.get("/movies/11").await.problem(403, "movie_not_entitled");
    user.get(&format!("/users/{}", user.id)).await.expect(200);
    app.client.get("//no/such/secret-place").await.problem(404, "not_found");
    app.client.get("//no/such/other-place").await.problem(404, "not_found");
    let after = scrape(&app.client).await;
    for (route, status, more) in [
        ("/api/v1/movies/{id}", "200", 3.0),
        ("/api/v1/movies/{id}", "403", 1.0),
        ("/api/v1/users/{id}", "200", 1.0),
        ("unmatched", "404", 2.0),
    ] {
        let grown = count(&after, route, status) - count(&before, route, status);
        assert_eq!(grown, more, "{route} {status}");
    }
    // Durations: as many as requests, cumulative buckets up to all of them.
    let details = "method=\"GET\",route=\"/api/v1/movies/{id}\",status=\"200\"";
    let duration = "watchme_http_request_duration_seconds";
    let observed = after[&format!("{duration}_count{{{details}}}")];
    assert_eq!(observed, count(&after, "/api/v1/movies/{id}", "200"));
    assert_eq!(after[&format!("{duration}_bucket{{{details},le=\"+Inf\"}}")], observed);
    assert!(after[&format!("{duration}_sum{{{details}}}")] > 0.0);
    for name in after.keys() {
        assert!(!name.contains(&user.id) && !name.contains("place"), "{name}");
        assert!(!name.contains("/movies/550"), "{name}");
    }
}

#[tokio::test]
async fn each_actor_has_one_series_of_each_kind() {
    let app = TestApp::start().await;
    let samples = scrape(&app.client).await;
    let actors = |metric: &str| -> Vec<&str> {
        let prefix = format!("{metric}{{actor=\"");
        samples.keys().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix("\"}")).collect()
    };
    let alive = actors("watchme_actor_alive");
    assert_eq!(alive.len(), app.handles.actors().len(), "{alive:?}");
    let metrics = ["alive", "mailbox_messages", "restarts_total", "rebuilds_total"];
    for metric in metrics.map(|it| format!("watchme_actor_{it}")) {
        assert_eq!(actors(&metric), alive, "{metric}");
    }
    for actor in alive {
        assert_eq!(samples[&format!("watchme_actor_alive{{actor=\"{actor}\"}}")], 1.0);
        for kind in ["restarts", "rebuilds"] {
            let series = format!("watchme_actor_{kind}_total{{actor=\"{actor}\"}}");
            assert_eq!(samples[&series], 0.0, "{series}");
        }
    }
}

#[tokio::test]
async fn marks_show_on_the_way_to_the_report() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let applied = "watchme_projection_events_total{outcome=\"applied\"}";
    let before = scrape(&app.client).await[applied];
    user.put("/watched/550", &json!({})).await.expect(201);
    let published = "watchme_outbox_relayed_total{outcome=\"published\"}";
    // The event is folded before it is noted as published.
    let arrived = async {
        loop {
            let samples = scrape(&app.client).await;
            let (waiting, relayed) = (samples["watchme_outbox_events"], samples[published]);
            if samples[applied] == before + 1.0 && waiting == 0.0 && relayed >= 1.0 {
                return samples;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrived).await;
    let samples = arrived.expect("the event arrives and nothing waits");
    assert_eq!(samples["watchme_tmdb_circuit_state{state=\"closed\"}"], 1.0);
    assert!(samples["watchme_sync_last_success_timestamp_seconds{sync=\"genres\"}"] > 1.7e9);
}
