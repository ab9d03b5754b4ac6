//! `observability/` fits the service and is understood by those who read it: Prometheus, as it is,
//! and whoever is woken.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod dashboard;
mod files;
mod live;
mod rules;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use watchme_engines::EngineError;

use crate::support::engines;

/// A file or folder below `observability/`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("observability").join(name)
}

/// What was installed; `None` where it cannot be, which is noted.
pub(crate) fn had<T>(installed: Result<T, EngineError>) -> Option<T> {
    engines::had(installed.map(Some).or_else(|error| {
        watchme_engines::note_skip("Prometheus", &engines::test(), &error.to_string())
            .map(|()| None)
    }))
}

/// Runs `promtool`, which has to succeed without a word of complaint; gives what it prints.
pub(crate) fn promtool(program: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{arguments:?}: {printed}{complaints}"
    );
    printed
}
