//! Every test, over both sets of adapters.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use watchme_engines::{SKIPS, in_ci};

use crate::{engines, skips};

/// The variable that has a suite run over the engines instead of the embedded adapters.
const ADAPTERS: &str = "WATCHME_TEST_ADAPTERS";
/// The suites that run over the engines too, after all tests ran over the embedded ones.
const ENGINE_SUITES: [&str; 3] = ["api", "degraded", "report_path"];

pub(crate) fn run(rest: &[String]) -> ExitCode {
    let notes = match tempfile::NamedTempFile::with_prefix("watchme-skips-") {
        Ok(notes) => notes,
        Err(error) => {
            eprintln!("create a file for the skips: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut servers = Vec::new();
    let mut missing = Vec::new();
    for (engine, result) in engines::all() {
        match result {
            Ok(server) => {
                let source = if server.is_named() { "named by the environment" } else { "private" };
                eprintln!("{engine}: {} ({source})", server.url());
                servers.push((engine, server));
            }
            Err(error) => {
                eprintln!("{error}");
                missing.push(engine.to_string());
            }
        }
    }
    if in_ci() && !missing.is_empty() {
        eprintln!("in CI no engine may be missing");
        return ExitCode::FAILURE;
    }

    let mut passed = true;
    for mut command in commands(rest) {
        command.env(SKIPS, notes.path());
        for (engine, server) in &servers {
            command.env(engine.variable(), server.url());
        }
        eprintln!("{command:?}");
        passed &= command.status().is_ok_and(|status| status.success());
    }
    drop(servers);
    println!("{}", skips::summary(&read(notes.path()), &missing));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A failure of one command does not keep the others from running: who mends
/// things wants to see all of it.
fn commands(rest: &[String]) -> Vec<Command> {
    let mut commands = Vec::new();
    let runner = runner();
    let mut all = cargo(runner);
    all.args(["--locked", "--workspace"]).args(rest).env_remove(ADAPTERS);
    commands.push(all);
    if runner.len() > 1 {
        // nextest leaves the examples in the documentation out.
        let mut documentation = cargo(&["test"]);
        documentation.args(["--locked", "--workspace", "--doc"]).env_remove(ADAPTERS);
        commands.push(documentation);
    }
    let mut suites = cargo(runner);
    suites.arg("--locked");
    for suite in ENGINE_SUITES {
        suites.args(["--test", suite]);
    }
    suites.args(rest).env(ADAPTERS, "engines");
    commands.push(suites);
    commands
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The package that this program was run as is nothing to the tests.
    command.args(arguments).env_remove("CARGO_MANIFEST_DIR");
    command
}

fn runner() -> &'static [&'static str] {
    let nextest = cargo(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if nextest { &["nextest", "run"] } else { &["test"] }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
