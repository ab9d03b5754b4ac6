//! An engine for a whole run of tests, and what to do without one.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

use crate::{
    Engine, Instance, Options,
    error::{EngineError, file},
    private,
};

/// The file that every test which something was missing for adds a line to:
/// `<what was missing> <name of the test>`.
pub const SKIPS: &str = "WATCHME_TEST_SKIPS";

/// A server that tests use and never end.
#[derive(Debug)]
pub struct Shared {
    url: String,
    instance: Option<Instance>,
}

impl Shared {
    /// How a client connects.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server was named by the environment, so that it is not ours to end.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.instance.is_none()
    }

    /// Whether the server still runs, as far as it is ours.
    pub fn is_running(&mut self) -> bool {
        self.instance.as_mut().is_none_or(Instance::is_running)
    }
}

/// The server that the environment names ([`Engine::variable`]), else a private one.
///
/// # Errors
/// If the environment names none and no private one can be started.
pub fn shared(engine: Engine) -> Result<Shared, EngineError> {
    if let Some(url) = named(engine) {
        return Ok(Shared { url, instance: None });
    }
    let instance = private(engine, &Options::default())?;
    Ok(Shared { url: instance.url().to_owned(), instance: Some(instance) })
}

/// The URL that the environment names for the engine. Without one the test that
/// asks has to be passed over: that is noted, and in CI it is an error.
///
/// # Errors
/// If the engine is missing in CI, or the skip can't be noted.
pub fn url_or_skip(engine: Engine, test: &str) -> Result<Option<String>, EngineError> {
    match named(engine) {
        Some(url) => Ok(Some(url)),
        None => {
            skip(engine, test, &format!("{} is not set", engine.variable()))?;
            Ok(None)
        }
    }
}

/// A private server, or nothing where there can be none: that is noted, and in CI it
/// is an error.
///
/// # Errors
/// If the engine is missing in CI, or the skip can't be noted.
pub fn private_or_skip(
    engine: Engine,
    options: &Options,
    test: &str,
) -> Result<Option<Instance>, EngineError> {
    match private(engine, options) {
        Ok(instance) => Ok(Some(instance)),
        Err(error) => {
            skip(engine, test, &error.to_string())?;
            Ok(None)
        }
    }
}

/// Whether a missing engine is a failure: `CI=true`.
#[must_use]
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

fn named(engine: Engine) -> Option<String> {
    env::var(engine.variable()).ok().filter(|url| !url.is_empty())
}

/// Notes that a test is passed over for want of something that is no engine and is
/// named in one word, such as `Python`; in CI that is an error.
///
/// # Errors
/// If this is CI, or the skip can't be noted.
pub fn note_skip(what: &str, test: &str, reason: &str) -> Result<(), EngineError> {
    if in_ci() {
        let (test, reason) = (test.to_owned(), reason.to_owned());
        return Err(EngineError::Skipped { what: what.to_owned(), test, reason });
    }
    note(what, test, reason)
}

fn skip(engine: Engine, test: &str, reason: &str) -> Result<(), EngineError> {
    if in_ci() {
        return Err(EngineError::Unavailable { engine, reasons: vec![reason.to_owned()] });
    }
    note(&engine.to_string(), test, reason)
}

fn note(what: &str, test: &str, reason: &str) -> Result<(), EngineError> {
    eprintln!("skipped {test}: no {what}: {reason}");
    let Some(path) = env::var_os(SKIPS).map(PathBuf::from) else { return Ok(()) };
    // One write of one short line: lines of processes that append at once stay whole.
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut skips| skips.write_all(format!("{what} {test}\n").as_bytes()))
        .map_err(file("append to", &path))
}
