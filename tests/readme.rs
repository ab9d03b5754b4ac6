//! The README is a promise: its walk, run with curl against the real binary, prints what it shows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use support::{
    Client,
    process::{Process, free_address, ready},
};
use tempfile::TempDir;

/// A block of commands and the answer that is shown for the last of them.
#[derive(Debug)]
struct Step {
    commands: String,
    shown: Value,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut commands = String::new();
    let mut blocks = readme.split("```");
    // Text and blocks take turns; a block begins with its language.
    while let (Some(_text), Some(block)) = (blocks.next(), blocks.next()) {
        if let Some(code) = block.strip_prefix("sh\n") {
            commands.push_str(code);
        } else if let Some(answer) = block.strip_prefix("json\n") {
            let shown = serde_json::from_str(answer).expect(answer);
            steps.push(Step { commands: std::mem::take(&mut commands), shown });
        }
    }
    assert_eq!(commands, "", "every block of commands shows its answer");
    steps
}

/// The same with every id, time and token of ours as the kind that it is.
fn without_chance(value: Value) -> Value {
    match value {
        Value::String(text) if uuid::Uuid::try_parse(&text).is_ok() => "<id>".into(),
        Value::String(text) if text.len() > 20 && text.parse::<jiff::Timestamp>().is_ok() => {
            "<time>".into()
        }
        Value::Array(items) => items.into_iter().map(without_chance).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, without_chance(value))).collect()
        }
        other => other,
    }
}

#[tokio::test]
async fn the_walk_prints_what_the_readme_shows() {
    let steps = steps(include_str!("../README.md"));
    assert!(steps.len() >= 8, "{steps:?}");
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let data = folder.path().join("data");
    let process = Process::start(&data, &address, &[]);
    ready(&address, Duration::from_secs(30)).await;
    let client = Client::new(format!("http://{address}"));
    let complete = async {
        while client.get("//health").await.json()["catalogue"]["state"] != "ready" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), complete).await.expect("a complete catalogue");

    let mut script = String::from("set -euo pipefail\n");
    for step in &steps {
        script.push_str(&step.commands.replace("127.0.0.1:8080", &address));
        script.push_str("printf '\\n----\\n'\n");
    }
    let shell = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash and curl are there");
    let printed = String::from_utf8(shell.stdout).unwrap();
    assert!(shell.status.success(), "{printed}\n{}", String::from_utf8_lossy(&shell.stderr));
    let answers: Vec<&str> = printed.split("\n----\n").collect();
    for (step, answer) in steps.iter().zip(&answers) {
        let answer: Value = serde_json::from_str(answer).expect(answer);
        assert_eq!(without_chance(answer), without_chance(step.shown.clone()), "{}", step.commands);
    }
    assert_eq!(answers.len(), steps.len() + 1);
    let (_, clean) = process.terminate();
    assert!(clean);
}
