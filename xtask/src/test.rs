//! Every test, over both sets of adapters.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use watchme_engines::{EngineError, SKIPS, in_ci};

use crate::{
    cargo::{cargo, succeeds},
    engines, fuzz, k6, skips,
};

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

    // A failure of one command does not keep the other from running: who mends things wants to see
    // all of it.
    let mut passed = true;
    let mut commands = vec![all(rest)];
    if missing.is_empty() {
        commands.push(suites(rest));
    } else {
        eprintln!("without all engines not run over them: {}", ENGINE_SUITES.join(", "));
    }
    for mut command in commands {
        command.env(SKIPS, notes.path());
        for (engine, server) in &servers {
            command.env(engine.variable(), server.url());
        }
        passed &= succeeds(command);
    }
    drop(servers);
    let mut skipped = read(notes.path());
    // Arguments choose among the tests: who gives some does not want everything.
    if rest.is_empty() {
        passed &=
            outside("fuzz", fuzz::installed(), |python| fuzz::fuzz(python, true), &mut skipped);
        passed &= outside("k6", k6::installed(), k6::smoke, &mut skipped);
    }
    if !missing.is_empty() {
        skipped.extend(ENGINE_SUITES.map(|suite| format!("engines {suite}::*\n")));
    }
    println!("{}", skips::summary(&skipped, &missing));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a program out of Python's registry found nothing, or may be passed over; in CI it may not.
fn outside(
    name: &str,
    installed: Result<PathBuf, EngineError>,
    run: impl FnOnce(&Path) -> io::Result<bool>,
    skipped: &mut String,
) -> bool {
    match installed {
        Ok(program) => run(&program).unwrap_or_else(|error| {
            eprintln!("{name}: {error}");
            false
        }),
        Err(error) => {
            eprintln!("skipped {name}: {error}");
            skipped.push_str(&format!("Python {name}\n"));
            !in_ci()
        }
    }
}

fn all(rest: &[String]) -> Command {
    // Not nextest: a process for each test would make the stores of a whole suite again and again.
    let mut command = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.args(rest).env_remove(ADAPTERS);
    command
}

fn suites(rest: &[String]) -> Command {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"]);
    for suite in ENGINE_SUITES {
        command.args(["--test", suite]);
    }
    command.args(rest).env(ADAPTERS, "engines");
    command
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
