//! schemathesis against the real binary: every check over every operation of its document, by
//! nobody, a user and an admin.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;
use watchme_engines::{EngineError, python};

use crate::cargo::{cargo, succeeds};

#[expect(unreachable_pub, reason = "public to the tests that share it")]
#[path = "../../tests/support/unthrottled.rs"]
mod unthrottled;

/// The rules of the run, who the callers are, and the packages.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/attacks/fuzz");
const CALLERS: [&str; 3] = ["anonymous", "user", "admin"];
const FOUNDER: (&str, &str) = ("founder@watchme.example", "a founder's pass phrase");
/// How many cases a full run has at least.
const FULL: u64 = 10_000;
const START: Duration = Duration::from_secs(60);
/// How long the cases of one caller and seed may take.
const RUN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

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
    if !succeeds(cargo(&["build", "--locked", "--bin", "watchme"])) {
        return Ok(false);
    }
    let folder = tempfile::tempdir()?;
    let mut service = Service::start(folder.path())?;
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
            let well = ends_well(command.spawn()?)?;
            let (generated, failures) = counts(&report);
            println!("{caller}, seed {seed}: {generated} cases, {failures} failures");
            cases += generated;
            if !well || failures > 0 || generated == 0 {
                println!("{}", fs::read_to_string(&log)?);
                passed = false;
            }
            if let Some(status) = service.process.try_wait()? {
                println!("the service ended with {status}: {}", fs::read_to_string(&service.log)?);
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

fn ends_well(mut child: Child) -> io::Result<bool> {
    let deadline = Instant::now() + RUN;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                println!("not done within {} s", RUN.as_secs());
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
        }
    }
}

/// The real binary, embedded, with the demo catalogue and without throttles. Dropping it kills it.
struct Service {
    process: Child,
    url: String,
    log: PathBuf,
}

impl Service {
    fn start(folder: &Path) -> io::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
        let log = folder.join("service.log");
        // Beside this program, which Cargo built into the same folder.
        let binary = std::env::current_exe()?.with_file_name("watchme");
        let command = || {
            let mut command = Command::new(&binary);
            command.env_clear().env("WATCHME_LISTEN", &address);
            command
        };
        let process = command()
            .env("WATCHME_DATA_DIR", folder.join("data"))
            .env("WATCHME_ADMIN_EMAIL", FOUNDER.0)
            .env("WATCHME_ADMIN_PASSWORD", FOUNDER.1)
            // Longer than any run.
            .env("WATCHME_ACCESS_TOKEN_TTL", "1h")
            .env("RUST_LOG", "warn")
            .envs(unthrottled::UNTHROTTLED.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let service = Self { process, url: format!("http://{address}"), log };
        let deadline = Instant::now() + START;
        while !command().arg("healthcheck").output()?.status.success() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(&service.log)?;
                return Err(io::Error::other(format!("the service is not ready: {log}")));
            }
            thread::sleep(POLL);
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
