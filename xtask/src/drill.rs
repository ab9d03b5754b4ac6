//! Drills by hand.

use std::process::ExitCode;

use clap::Args;

use crate::cargo::{cargo, succeeds};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Which drills, or parts of their names; with only a size, all of them
    #[arg(group = "what")]
    names: Vec<String>,
    /// A few seconds of each
    #[arg(long, group = "what")]
    quick: bool,
    /// The full size of each, which is the default for those that are named
    #[arg(long, group = "what", conflicts_with = "quick")]
    full: bool,
    /// Name them all and end
    #[arg(long, group = "what")]
    list: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { names, quick, full, list } = arguments;
    let mut command = cargo(&["test", "--locked", "--test", "drills", "--"]);
    command.args(names);
    for (flag, given) in [("--quick", quick), ("--full", full), ("--list", list)] {
        if *given {
            command.arg(flag);
        }
    }
    if succeeds(command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
