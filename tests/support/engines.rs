//! The engines that a test run may or may not have.

use std::thread;

use watchme_engines::{Engine, EngineError};

/// Where an engine is; `None` where the environment does not say it, and the test that asks then
/// ends without a verdict, which is noted. To be called on the test's own thread, which knows its
/// name.
///
/// # Panics
/// With `CI=true`: there a test that is skipped is a failure. And when the skip cannot be noted.
pub fn url(engine: Engine) -> Option<String> {
    had(watchme_engines::url_or_skip(engine, &test()))
}

/// What a test can do without, as far as it may.
///
/// # Panics
/// As [`url`].
pub fn had<T>(outcome: Result<Option<T>, EngineError>) -> Option<T> {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// The name of the test that runs on this thread, with that of its program.
pub fn test() -> String {
    format!("{}::{}", env!("CARGO_CRATE_NAME"), thread::current().name().unwrap_or("unnamed"))
}
