//! The floors of the architecture that Cargo does not prove by itself, and the size of files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn offenders(sources: &[(PathBuf, String)], words: &[&str]) -> Vec<String> {
    let has = |text: &str| words.iter().find(|word| text.contains(**word)).copied();
    let line = |path: &Path, word: &str| format!("{}: {word}", path.display());
    sources.iter().filter_map(|(path, text)| has(text).map(|word| line(path, word))).collect()
}

#[test]
fn the_core_depends_on_no_database_bus_or_web_framework() {
    let manifest = fs::read_to_string(root().join("actors/Cargo.toml")).unwrap();
    for name in ["sqlx", "mongodb", "async-nats", "reqwest", "actix-web"] {
        assert!(!manifest.contains(name), "{name}");
    }
}

#[test]
fn the_domain_is_pure() {
    let words = ["crate::ports", "tokio::", "std::fs", "std::net", "actix"];
    assert_eq!(offenders(&sources("actors/src/domain"), &words), [""; 0]);
}

#[test]
fn http_never_sees_adapters() {
    assert_eq!(offenders(&sources("src/http"), &["adapters", "sqlx"]), [""; 0]);
    assert_eq!(offenders(&sources("src/auth"), &["adapters", "sqlx", "crate::http"]), [""; 0]);
}

#[test]
fn adapters_see_neither_http_nor_actors() {
    let words = ["crate::http", "crate::app", "watchme_actors::Handles", "supervision"];
    assert_eq!(offenders(&sources("src/adapters"), &words), [""; 0]);
}

#[test]
fn only_the_composition_root_names_adapters() {
    let outside: Vec<_> = sources("src")
        .into_iter()
        .filter(|(path, _)| !path.ends_with("src/lib.rs"))
        .filter(|(path, _)| !path.starts_with(root().join("src/app")))
        .filter(|(path, _)| !path.starts_with(root().join("src/adapters")))
        .collect();
    assert_eq!(offenders(&outside, &["adapters::"]), [""; 0]);
}

#[test]
fn sql_is_never_put_together_from_text_that_nobody_vouched_for() {
    let shipped: Vec<_> =
        sources("src").into_iter().filter(|(path, _)| !path.ends_with("plans.rs")).collect();
    assert_eq!(offenders(&shipped, &["AssertSqlSafe"]), [""; 0]);
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    for folder in ["src", "actors", "benches", "engines", "xtask", "examples", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
        }
    }
}
