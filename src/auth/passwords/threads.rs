//! The threads that hash.

use rayon::{ThreadPool, ThreadPoolBuilder};
#[cfg(target_os = "linux")]
use rustix::{
    process::{getpriority_process, setpriority_process},
    thread::gettid,
};

use super::{PasswordError, unusable};

/// How much nicer than the other threads they are. Between two hashes that take every core for 15 ms
/// come the many short turns of those who fetch and store what belongs to a login: those must not wait
/// for a hash to use up its share of time, or the next one has nobody to hash for.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// As many as there are cores, at a lower priority than all other threads where that can be had.
pub(super) fn start(cores: usize) -> Result<ThreadPool, PasswordError> {
    ThreadPoolBuilder::new()
        .num_threads(cores)
        .thread_name(|n| format!("hash-{n}"))
        .start_handler(|_| be_nice())
        // Whoever asked hears of it, since nobody answers; by default the process would end.
        .panic_handler(|_| {})
        .build()
        .map_err(unusable)
}

#[cfg(target_os = "linux")]
fn be_nice() {
    let thread = Some(gettid());
    let nicer = getpriority_process(thread).map(|nice| nice + NICER);
    if let Err(error) = nicer.and_then(|nice| setpriority_process(thread, nice)) {
        tracing::debug!(%error, "passwords are hashed at the priority of all else");
    }
}

#[cfg(not(target_os = "linux"))]
fn be_nice() {}
