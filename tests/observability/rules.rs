//! The rules, as their files have them.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::Value;

use crate::path;

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// A recording rule or an alert.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) record: Option<String>,
    pub(crate) alert: Option<String>,
    pub(crate) expr: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The files of a folder below `observability/`, by name.
pub(crate) fn files(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(path(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder}");
    files
}

/// Any YAML.
pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// Every rule of every file.
pub(crate) fn all() -> Vec<Rule> {
    files("rules")
        .iter()
        .map(|(_, text)| serde_saphyr::from_str::<File>(text).unwrap())
        .flat_map(|file| file.groups)
        .flat_map(|group| group.rules)
        .collect()
}

/// Those that wake somebody, by name.
pub(crate) fn alerts() -> BTreeMap<String, Rule> {
    let mut alerts = BTreeMap::new();
    for rule in all() {
        let Some(name) = rule.alert.clone() else { continue };
        assert!(alerts.insert(name.clone(), rule).is_none(), "{name} is there twice");
    }
    assert!(!alerts.is_empty());
    alerts
}

/// The names of what is recorded.
pub(crate) fn recorded() -> Vec<String> {
    all().into_iter().filter_map(|rule| rule.record).collect()
}
