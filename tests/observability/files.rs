//! Rules, their tests and the runbook, without a service.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    had, promtool,
    rules::{alerts, files, yaml},
};

fn names(folder: &str) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| format!("{folder}/{name}")).collect()
}

#[test]
fn promtool_accepts_configuration_and_rules_and_their_tests_pass() {
    let Some(program) = had(watchme_engines::promtool()) else { return };
    promtool(&program, &["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"], "");
    let (rules, tests) = (names("rules"), names("tests"));
    let with = |first: &[&'static str], names: &[String]| {
        let mut arguments: Vec<String> = first.iter().map(|it| (*it).to_owned()).collect();
        arguments.extend_from_slice(names);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        promtool(&program, &arguments, "")
    };
    with(&["check", "rules", "--lint=all", "--lint-fatal"], &rules);
    with(&["test", "rules"], &tests);
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for (_, text) in files("tests") {
        for test in yaml(&text)["tests"].as_array().unwrap() {
            for case in test["alert_rule_test"].as_array().into_iter().flatten() {
                let name = case["alertname"].as_str().unwrap().to_owned();
                let fires = !case["exp_alerts"].as_array().unwrap().is_empty();
                seen.entry(name).or_default().insert(fires);
            }
        }
    }
    let both = BTreeSet::from([false, true]);
    let expected: BTreeMap<_, _> = alerts().into_keys().map(|name| (name, both.clone())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn every_alert_says_what_it_means_and_the_runbook_what_to_do() {
    let runbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RUNBOOK.md");
    let runbook = fs::read_to_string(runbook).unwrap();
    let sections: BTreeMap<&str, &str> = runbook
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .filter(|(heading, _)| heading.starts_with("WatchMe"))
        .collect();
    let alerts = alerts();
    assert_eq!(
        sections.keys().copied().collect::<Vec<_>>(),
        alerts.keys().map(String::as_str).collect::<Vec<_>>(),
        "an alert has a section, and a section an alert"
    );
    for (name, alert) in &alerts {
        assert!(["page", "ticket"].contains(&alert.labels["severity"].as_str()), "{name}");
        for annotation in ["summary", "description"] {
            assert!(!alert.annotations[annotation].is_empty(), "{name}: {annotation}");
        }
        let anchor = format!("docs/RUNBOOK.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], anchor);
        for part in ["**It means:**", "**To see:**", "**To do:**"] {
            assert!(sections[name.as_str()].contains(part), "{name}: {part}");
        }
    }
}
