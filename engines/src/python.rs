//! Python programs, each with its packages in an environment of its own in the cache.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cache,
    command::run,
    error::{EngineError, file},
};

/// The interpreter that makes environments: `python3`, or what this variable names.
const PYTHON: &str = "WATCHME_TEST_PYTHON";
const ASK: Duration = Duration::from_secs(30);
const INSTALL: Duration = Duration::from_secs(300);

/// The interpreter of an environment with the packages that `requirements` lists as pip reads it;
/// makes the environment first if it is not in the cache.
///
/// Programs in it are to be run as modules: the scripts beside it do not know where they are.
///
/// # Errors
/// If there is no Python that can make environments, or the packages can't be installed.
pub fn python(name: &str, requirements: &Path) -> Result<PathBuf, EngineError> {
    let named = env::var(PYTHON).ok().filter(|path| !path.is_empty());
    let system = named.unwrap_or_else(|| "python3".to_owned());
    let mut ask = Command::new(&system);
    ask.args(["-c", "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.')"]);
    let version = run(&mut ask, ASK).map_err(|error| {
        EngineError::Host(format!(
            "no Python 3 with venv, which {PYTHON} may name ({error}): install it"
        ))
    })?;
    // The same list gives the same folder; were the hash another one day, it is installed anew.
    let mut hasher = DefaultHasher::new();
    fs::read(requirements).map_err(file("read", requirements))?.hash(&mut hasher);
    let folder = format!("{name}-{:016x}-python{}", hasher.finish(), version.trim());
    let installed = cache::installed(&folder, |part| {
        run(Command::new(&system).args(["-m", "venv"]).arg(part), INSTALL)?;
        let mut install = Command::new(part.join("bin/python"));
        install
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(requirements);
        run(&mut install, INSTALL).map(drop)
    })?;
    Ok(installed.join("bin/python"))
}
