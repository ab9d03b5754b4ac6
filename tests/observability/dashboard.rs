//! Grafana's dashboard, as its file has it.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{path, rules::yaml};

/// One query of a panel, with the panel's title.
pub(crate) struct Query {
    pub(crate) panel: String,
    /// As Grafana would send it: for one job and all replicas, at this interval.
    pub(crate) expression: String,
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(path("grafana/dashboards/watchme.json")).unwrap())
        .unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// Every query of every panel, annotation and variable.
pub(crate) fn queries(job: &str, rate_interval: &str) -> Vec<Query> {
    let dashboard = dashboard();
    let query = |panel: &Value, expression: &str| {
        let expression = expression
            .replace("$job", job)
            .replace("$instance", ".*")
            .replace("$__rate_interval", rate_interval);
        assert!(!expression.contains('$'), "{panel}: {expression}");
        Query { panel: panel.as_str().unwrap().to_owned(), expression }
    };
    let mut queries = Vec::new();
    for panel in panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(query(&panel["title"], target["expr"].as_str().unwrap()));
        }
    }
    assert!(queries.len() > 20);
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        queries.push(query(&annotation["name"], annotation["expr"].as_str().unwrap()));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        // A source of data is no query.
        let Some(text) = variable["query"]["query"].as_str() else { continue };
        let inner = text.strip_prefix("label_values(").and_then(|it| it.rsplit_once(','));
        queries.push(query(&variable["name"], inner.expect(text).0));
    }
    queries
}

#[test]
fn panels_are_whole_and_none_hides_another() {
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title} is too far to the right");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} hides another");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        let refs: BTreeSet<_> = targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
        assert!(!targets.is_empty() && refs.len() == targets.len(), "{title}");
        for part in targets.iter().chain([&panel]) {
            assert_eq!(part["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn grafana_is_given_the_dashboard_and_its_data() {
    let read =
        |name: &str| yaml(&fs::read_to_string(path("grafana/provisioning").join(name)).unwrap());
    let compose = path("../docker-compose.yml");
    let compose = yaml(&fs::read_to_string(compose).unwrap());
    let mounts: Vec<_> = compose["services"]["grafana"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it.as_str()?.strip_suffix(":ro")?.split_once(':'))
        .collect();
    let provider = read("dashboards/watchme.yml")["providers"][0]["options"]["path"].clone();
    let mount = |from: &str, to: &str| assert!(mounts.contains(&(from, to)), "{from}: {mounts:?}");
    mount("./observability/grafana/dashboards", provider.as_str().unwrap());
    mount("./observability/grafana/provisioning", "/etc/grafana/provisioning");

    let sources = read("datasources/watchme.yml")["datasources"].as_array().unwrap().clone();
    let source = sources.iter().find(|it| it["type"] == "prometheus").unwrap();
    let variable = &dashboard()["templating"]["list"][0];
    assert_eq!(
        (&variable["name"], &variable["query"]),
        (&"datasource".into(), &"prometheus".into())
    );
    assert_eq!(variable["current"]["value"], source["uid"]);
}
