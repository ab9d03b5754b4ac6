//! The engines that a test run may or may not have.

use std::{env, fs::OpenOptions, io::Write, thread};

/// Where MySQL is.
pub const MYSQL: &str = "WATCHME_TEST_MYSQL_URL";
/// Where MongoDB, or a server that speaks its protocol, is.
pub const MONGODB: &str = "WATCHME_TEST_MONGODB_URL";
/// Where NATS with JetStream is.
pub const NATS: &str = "WATCHME_TEST_NATS_URL";

/// The engine that a variable names; `None` where it is unset or empty, and the test that asks
/// then ends without a verdict: its name goes as a line `<engine> <test>` to the file that
/// `WATCHME_TEST_SKIPS` names. To be called on the test's own thread, which knows the name.
///
/// # Panics
/// With `CI=true`: there a test that is skipped is a failure. And when the file cannot be written.
pub fn url(variable: &str) -> Option<String> {
    if let Ok(url) = env::var(variable)
        && !url.is_empty()
    {
        return Some(url);
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "{variable} is not set, and CI skips nothing");
    let engine = variable.trim_start_matches("WATCHME_TEST_").trim_end_matches("_URL");
    skipped(&engine.to_lowercase());
    None
}

fn skipped(engine: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("unnamed");
    if let Some(file) = env::var_os("WATCHME_TEST_SKIPS") {
        // Other tests write too: one call, so that lines stay whole.
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{engine} {test}\n").as_bytes()).unwrap();
    }
    eprintln!("skipped for want of {engine}: {test}");
}
