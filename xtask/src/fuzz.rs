//! schemathesis against the real binary: every check over every operation of its document, by
//! nobody, a user and an admin.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use clap::Args;
use serde_json::Value;
use watchme_engines::{EngineError, python};

use crate::{
    child::ends_well,
    service::{Build, FOUNDER, Service},
};

/// The rules of the run, who the callers are, and the packages.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/attacks/fuzz");
const CALLERS: [&str; 3] = ["anonymous", "user", "admin"];
/// How many cases a full run has at least.
const FULL: u64 = 10_000;
/// How long the cases of one caller and seed may take.
const RUN: Duration = Duration::from_secs(300);

#[derive(Args)]
pub(crate) struct Arguments {
    /// One seed and a few cases of each operation
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match installed().map_err(io::Error::other).and_then(|python| fuzz(&python, arguments.quick)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The interpreter that has schemathesis.
///
/// # Errors
/// If there is no Python, or the packages cannot be installed.
pub(crate) fn installed() -> Result<PathBuf, EngineError> {
    python("schemathesis", &Path::new(FOLDER).join("requirements.txt"))
}

/// Runs every caller with every seed; whether nothing was found.
pub(crate) fn fuzz(python: &Path, quick: bool) -> io::Result<bool> {
    if !Build::Dev.is_made() {
        return Ok(false);
    }
    let folder = tempfile::tempdir()?;
    let mut service = Service::start(Build::Dev, folder.path())?;
    let seeds: &[&str] = if quick { &["1"] } else { &["1", "2", "3"] };
    let size: &[&str] =
        if quick { &["-n", "3", "--phases", "examples,fuzzing,stateful"] } else { &["-n", "30"] };
    let (mut passed, mut cases) = (true, 0);
    for seed in seeds {
        for caller in CALLERS {
            let name = format!("{caller}-{seed}");
            let report = folder.path().join(&name).with_extension("json");
            let log = folder.path().join(&name).with_extension("log");
            let mut command = command(python, &service.url, caller);
            command
                .args(["--seed", seed, "--report", "json", "--report-json-path"])
                .arg(&report)
                .args(size)
                .current_dir(folder.path())
                .stdout(File::create(&log)?)
                .stderr(File::options().append(true).open(&log)?);
            let well = ends_well(command.spawn()?, RUN)?;
            let (generated, failures) = counts(&report);
            println!("{caller}, seed {seed}: {generated} cases, {failures} failures");
            cases += generated;
            if !well || failures > 0 || generated == 0 {
                println!("{}", fs::read_to_string(&log)?);
                passed = false;
            }
            if let Some(end) = service.ended()? {
                println!("{end}");
                return Ok(false);
            }
        }
    }
    println!("{cases} cases");
    if !quick && cases < FULL {
        println!("fewer than {FULL}");
        passed = false;
    }
    Ok(passed)
}

/// A run of schemathesis as this caller, which seed and size are still to be told.
fn command(python: &Path, url: &str, caller: &str) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(Path::new(FOLDER).join("schemathesis.toml"))
        .args(["run", &format!("{url}/api/openapi.json")])
        .args(["--no-color", "--generation-database", "none"])
        .env("PYTHONPATH", FOLDER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "accounts")
        .env("WATCHME_FUZZ_URL", url)
        .env("WATCHME_FUZZ_CALLER", caller)
        .env("WATCHME_FUZZ_ADMIN_EMAIL", FOUNDER.0)
        .env("WATCHME_FUZZ_ADMIN_PASSWORD", FOUNDER.1)
        .stdin(Stdio::null());
    command
}

/// How many cases a run had, and how many of them found something.
fn counts(report: &Path) -> (u64, u64) {
    let report: Value =
        fs::read(report).ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
    let count = |name: &str| report["test_cases"][name].as_u64().unwrap_or(0);
    (count("generated"), count("with_failures") + count("errored"))
}
