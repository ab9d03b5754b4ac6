//! The HTTP interface of Prometheus.

use std::time::Duration;

use serde_json::Value;

/// Asks one Prometheus.
pub(crate) struct Server {
    http: reqwest::Client,
    base: String,
}

impl Server {
    pub(crate) fn at(url: &str) -> Self {
        let http =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, base: format!("{url}/api/v1") }
    }

    /// The data of an answer, which has to be a success without a warning.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("{}/{path}", self.base);
        let answer = self.http.get(url).query(query).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        let clean = answer["status"] == "success"
            && answer.get("warnings").is_none()
            && answer.get("infos").is_none();
        assert!(clean, "{query:?}: {answer}");
        answer["data"].take()
    }

    /// How many series an expression gives now.
    pub(crate) async fn series(&self, expression: &str) -> usize {
        let data = self.get("query", &[("query", expression)]).await;
        data["result"].as_array().map_or(0, Vec::len)
    }

    /// Those expressions that give nothing now.
    pub(crate) async fn silent<'a>(&self, expressions: &'a [String]) -> Vec<&'a str> {
        let mut silent = Vec::new();
        for expression in expressions {
            if self.series(expression).await == 0 {
                silent.push(expression.as_str());
            }
        }
        silent
    }

    /// What an expression selects: names of metrics, each with the selector that it stands in.
    pub(crate) async fn selectors(&self, expression: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        collect(&self.get("parse_query", &[("query", expression)]).await, &mut found);
        assert!(!found.is_empty(), "{expression} selects nothing");
        found
    }
}

fn collect(node: &Value, found: &mut Vec<(String, String)>) {
    if let "vectorSelector" | "matrixSelector" = node["type"].as_str().unwrap_or_default() {
        let name = node["name"].as_str().unwrap().to_owned();
        let matchers: Vec<String> = node["matchers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|matcher| {
                let part = |field: &str| matcher[field].as_str().unwrap();
                format!("{}{}{}", part("name"), part("type"), matcher["value"])
            })
            .collect();
        found.push((name, format!("{{{}}}", matchers.join(","))));
    }
    match node {
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}
