//! The benchmark by hand: built as it is shipped, then run.

use std::{env, process::ExitCode};

use crate::cargo::{cargo, succeeds};

// What it reads of them is the benchmark's to do: here they are only checked.
#[path = "../../benches/runner/src/arguments.rs"]
mod arguments;

pub(crate) use arguments::Arguments;

pub(crate) fn run() -> ExitCode {
    // All at once, so that what they have in common is built once.
    let built = cargo(&[
        "build",
        "--locked",
        "--release",
        "--package",
        "watchme",
        "--package",
        "watchme-floor",
        "--package",
        "watchme-bench",
        "--bins",
    ]);
    if !succeeds(built) {
        return ExitCode::FAILURE;
    }
    let mut bench =
        cargo(&["run", "--quiet", "--locked", "--release", "--package", "watchme-bench", "--"]);
    // After the name of this command, which has been understood already.
    bench.args(env::args_os().skip(2));
    if succeeds(bench) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
