//! k6 against the real binary: whether it works, how it bears an evening, where its limits are.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use clap::{Args, ValueEnum};
use watchme_engines::{EngineError, python};

use crate::{
    child::{ends_well, roomy},
    service::{Build, Service},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../k6");

#[derive(Args)]
pub(crate) struct Arguments {
    /// Which scripts, one after another, each against a service of its own
    #[arg(value_enum, default_values_t = [Script::Smoke, Script::Load])]
    scripts: Vec<Script>,
    /// Against the build of the tests, which is there sooner and slower
    #[arg(long)]
    dev: bool,
}

/// A script of the folder `k6`, which says what it does and what can be set.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Script {
    /// Ten seconds of everything: does it work?
    Smoke,
    /// A minute of an evening's mix
    Load,
    /// Up to the knee and beyond
    Stress,
    /// A quarter of an hour: does anything grow?
    Soak,
    /// 10,000 connections
    Connections,
}

impl Script {
    const fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Load => "load",
            Self::Stress => "stress",
            Self::Soak => "soak",
            Self::Connections => "connections",
        }
    }

    /// Scripts end by themselves; this is for one that hangs.
    const fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Smoke => 120,
            Self::Load | Self::Stress | Self::Connections => 900,
            Self::Soak => 3_600,
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let build = if arguments.dev { Build::Dev } else { Build::Release };
    let all = || -> io::Result<bool> {
        let k6 = installed().map_err(io::Error::other)?;
        if !build.is_made() {
            return Ok(false);
        }
        let mut passed = true;
        for script in &arguments.scripts {
            println!("k6 {}", script.name());
            passed &= one(&k6, *script, build, None)?;
        }
        Ok(passed)
    };
    match all() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The program.
///
/// # Errors
/// If there is no Python to install it with, or it cannot be installed.
pub(crate) fn installed() -> Result<PathBuf, EngineError> {
    let python = python("k6", &Path::new(FOLDER).join("requirements.txt"))?;
    Ok(python.with_file_name("k6"))
}

/// The short form, for the tests: whether every answer was as it should be. Shows k6's report where
/// one was not.
pub(crate) fn smoke(k6: &Path) -> io::Result<bool> {
    if !Build::Dev.is_made() {
        return Ok(false);
    }
    let report = tempfile::NamedTempFile::new()?;
    let passed = one(k6, Script::Smoke, Build::Dev, Some(report.as_file().try_clone()?))?;
    match passed {
        true => println!("k6 smoke: passed"),
        false => println!("{}", fs::read_to_string(report.path())?),
    }
    Ok(passed)
}

/// Whether a script's thresholds were kept, by a service that starts with it and still runs at its
/// end. What k6 says goes to a file, or is shown.
fn one(k6: &Path, script: Script, build: Build, report: Option<File>) -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut service = Service::start(build, folder.path())?;
    let mut command = roomy(k6);
    command
        // It tells nobody of the run, listens nowhere, and fetches nothing.
        .args(["run", "--quiet", "--no-usage-report", "--address="])
        .arg(Path::new(FOLDER).join(script.name()).with_extension("js"))
        .env("WATCHME_URL", &service.url)
        .env("K6_AUTO_EXTENSION_RESOLUTION", "false")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null());
    if let Some(report) = report {
        command.stderr(report.try_clone()?).stdout(report);
    }
    let kept = ends_well(command.spawn()?, script.limit())?;
    if let Some(end) = service.ended()? {
        println!("{end}");
        return Ok(false);
    }
    Ok(kept)
}
