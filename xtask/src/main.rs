//! The repository's own commands, run as `cargo xtask <command>`.

mod engines;
mod skips;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Commands of the WatchMe repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every test, over the embedded and over the real engines
    Test {
        /// Passed on to `cargo test`, after `--`
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// The engines by hand
    #[command(subcommand)]
    Engines(Engines),
}

#[derive(Subcommand)]
enum Engines {
    /// Install the engines natively into the cache
    Install,
    /// Start the engines, print their URLs, and stop them on Ctrl-C
    Run,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Test { rest } => test::run(&rest),
        Command::Engines(Engines::Install) => engines::install(),
        Command::Engines(Engines::Run) => engines::run(),
    }
}
