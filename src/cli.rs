//! The command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{app, config::Config, http, telemetry};

/// A subscription film catalogue as a service. Without a command it serves.
///
/// Settings come from the environment, then from watchme.toml (or the file that WATCHME_CONFIG
/// names), then from defaults; `watchme config` prints what is in force.
#[derive(Debug, Parser)]
#[command(name = "watchme", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default)
    Serve,
    /// Bring the stores to this version and stop
    Migrate,
    /// Print the settings that are in force, secrets masked
    Config,
    /// Ask the service on this machine whether it is ready; exit code 1 if not
    Healthcheck,
    /// Print the OpenAPI document
    Openapi,
}

/// Runs a command; what goes wrong is told on standard error in one line.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    if let Some(Command::Openapi) = cli.command {
        return print(&http::document());
    }
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    if let Some(Command::Config) = cli.command {
        return print(config.print().trim_end());
    }
    if let Err(error) = telemetry::init(&config) {
        return failed(&error);
    }
    let outcome = actix_web::rt::System::new().block_on(async {
        match cli.command {
            Some(Command::Migrate) => app::migrate(&config).await,
            Some(Command::Healthcheck) => app::healthcheck(&config).await,
            _ => app::serve(config).await,
        }
    });
    outcome.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// Prints for a person or a pipe; a reader that has seen enough is no failure.
fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => failed(&error),
        _ => ExitCode::SUCCESS,
    }
}

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("watchme: {error}");
    ExitCode::FAILURE
}
