//! The service's command.

use std::process::ExitCode;

use clap::Parser;
use watchme::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
