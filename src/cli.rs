//! The command line.

use std::process::ExitCode;

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
        println!("{}", http::document());
        return ExitCode::SUCCESS;
    }
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    if let Some(Command::Config) = cli.command {
        print!("{}", config.print());
        return ExitCode::SUCCESS;
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

fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("watchme: {error}");
    ExitCode::FAILURE
}
