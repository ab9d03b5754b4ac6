//! The repository's own commands, run as `cargo xtask <command>`.

mod bench;
mod cargo;
mod child;
mod drill;
mod engines;
mod fuzz;
mod k6;
mod service;
mod skips;
mod test;

use std::process::ExitCode;

use clap::{ArgGroup, Parser, Subcommand};

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
        /// For `cargo test` itself, such as `-- --test api`; not for the test programs, which do not
        /// all understand the same
        #[arg(last = true, value_parser = of_cargo)]
        rest: Vec<String>,
    },
    /// Run planned failures of the service on private engines
    #[command(group(ArgGroup::new("what").required(true).multiple(true)))]
    Drill(drill::Arguments),
    /// Fuzz the service by its OpenAPI document, as nobody, a user and an admin
    Fuzz(fuzz::Arguments),
    /// Load the service with k6, by default for a smoke test and for an evening
    K6(k6::Arguments),
    /// Measure how far the service is from its floor
    Bench(bench::Arguments),
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
        Command::Drill(arguments) => drill::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::K6(arguments) => k6::run(&arguments),
        Command::Bench(_) => bench::run(),
        Command::Engines(Engines::Install) => engines::install(),
        Command::Engines(Engines::Run) => engines::run(),
    }
}

fn of_cargo(argument: &str) -> Result<String, String> {
    if argument == "--" {
        return Err("what follows would be for the test programs".to_owned());
    }
    Ok(argument.to_owned())
}
