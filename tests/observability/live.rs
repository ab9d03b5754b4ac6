//! A real Prometheus reads a real service, by the repository's configuration and rules.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};
use watchme_engines::Prometheus;

use crate::{
    dashboard, had, path, promtool, rules,
    server::Server,
    support::{
        Client,
        app::USER_PASSWORD,
        process::{Process, free_address, ready},
    },
};

/// What `prometheus.yml` calls the service.
const JOB: &str = "watchme";
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(250);
/// So short a queue that a few logins at once are more than it takes: these are the failures.
const QUEUE: (&str, &str) = ("WATCHME_PASSWORD_QUEUE", "1");
const EMAIL: &str = "ada@example.com";

/// A little of everything, again and again, until it is dropped.
struct Traffic(JoinHandle<()>);

impl Traffic {
    fn start(nobody: Client) -> Self {
        Self(tokio::spawn(async move {
            let account = json!({ "email": EMAIL, "password": USER_PASSWORD, "name": "Ada" });
            nobody.post("/auth/register", &account).await.expect(201);
            let user = nobody.login(EMAIL, USER_PASSWORD).await;
            user.subscribe(&user.package("Adrenaline").await).await;
            let login = json!({ "email": EMAIL, "password": USER_PASSWORD });
            loop {
                let movies = user.get("/movies").await.data();
                let movie = movies[0]["id"].as_u64().unwrap();
                user.get(&format!("/movies/{movie}")).await.expect(200);
                user.put(&format!("/watched/{movie}"), &json!({})).await;
                user.get("/reports/me").await.expect(200);
                user.get("/nowhere").await.expect(404);
                let logins = (0..12).map(|_| nobody.post("/auth/login", &login));
                futures_util::future::join_all(logins).await;
                sleep(PAUSE).await;
            }
        }))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The repository's configuration, for one service at an address, ten times as fast.
fn configuration(address: &str) -> String {
    let text = fs::read_to_string(path("prometheus.yml")).unwrap();
    let mut configuration: Value = rules::yaml(&text);
    configuration["global"]["scrape_interval"] = "1s".into();
    configuration["global"]["evaluation_interval"] = "1s".into();
    let job = configuration["scrape_configs"][0].as_object_mut().unwrap();
    assert_eq!(job["job_name"], JOB);
    job.remove("dns_sd_configs").expect("replicas are found by name");
    job.insert("static_configs".to_owned(), json!([{ "targets": [address] }]));
    configuration.to_string()
}

/// Waits until every expression gives something.
async fn all_have_data(server: &Server, expressions: &[String]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let silent = server.silent(expressions).await;
        if silent.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "these give nothing: {silent:#?}");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn a_real_prometheus_finds_whatever_rules_and_dashboard_ask_for() {
    let Some(tool) = had(watchme_engines::promtool()) else { return };
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let _service = Process::start_logging(&data, &address, &[QUEUE], &log);
    ready(&address, Duration::from_secs(30)).await;
    let client = Client::new(format!("http://{address}"));
    let _traffic = Traffic::start(client.clone());
    let prometheus = had(Prometheus::start(&configuration(&address), &rules::files("rules")));
    let Some(prometheus) = prometheus else { return };
    let server = Server::at(prometheus.url());

    // What is recorded, and what alerts are made of.
    all_have_data(&server, &rules::recorded()).await;
    let mut selectors = Vec::new();
    for alert in rules::alerts().values() {
        selectors.extend(server.selectors(&alert.expr).await.into_iter().map(|(_, it)| it));
    }
    all_have_data(&server, &selectors).await;
    let groups = server.get("rules", &[]).await;
    let evaluated: Vec<&Value> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(evaluated.len(), rules::all().len());
    for rule in evaluated {
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // What the dashboard asks for.
    let metrics = client.get("//metrics").await.text();
    assert_eq!(promtool(&tool, &["check", "metrics"], &metrics), "");
    let mut names: BTreeSet<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let recorded = rules::recorded();
    names.extend(recorded.iter().map(String::as_str).chain(["up", "ALERTS"]));
    let queries = dashboard::queries(JOB, "10s");
    for query in &queries {
        for (name, _) in server.selectors(&query.expression).await {
            assert!(names.contains(name.as_str()), "{}: no metric {name}", query.panel);
        }
    }
    // Nothing restarts here; everything else is there.
    let expressions: Vec<String> = queries
        .into_iter()
        .filter(|query| query.panel != "Starts")
        .map(|query| query.expression)
        .collect();
    all_have_data(&server, &expressions).await;

    // The scrapes themselves.
    let targets = server.get("targets", &[]).await;
    let target = &targets["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{target}");
    let log = prometheus.log().unwrap();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("level=WARN") || line.contains("level=ERROR"))
        .collect();
    assert_eq!(complaints, [""; 0]);
}
