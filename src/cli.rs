//! The command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use watchme_actors::domain::{Email, PersonName, UserId};

use crate::{
    app::{self, AppError},
    commands::{Replay, Since, Task, TaskError},
    config::Config,
    healthcheck, http, telemetry,
};

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
    /// Watch events: what was put aside, and publishing again
    #[command(subcommand)]
    Events(Events),
    /// Reports
    #[command(subcommand)]
    Reports(Reports),
    /// Accounts of operators
    #[command(subcommand)]
    Admin(Admin),
}

#[derive(Debug, Subcommand)]
enum Events {
    /// Events that could never be applied and were put aside
    #[command(subcommand)]
    Dead(Dead),
    /// Publish events again, of those that are kept (7 days); receivers know them by their id
    Republish {
        /// A time such as 2026-03-01T20:15:00Z, or how long ago, such as 2h
        #[arg(long)]
        since: Since,
    },
}

#[derive(Debug, Subcommand)]
enum Dead {
    /// Show them, oldest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// One JSON object a line, with the message as it came
        #[arg(long)]
        json: bool,
    },
    /// Send them on their way again, once what was wrong is mended
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ReplayArgs {
    /// The number that `list` shows
    id: Option<u64>,
    /// Every one
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Reports {
    /// Project reports from the marks: of one user, or of everybody who has ever marked anything
    Rebuild {
        /// The user's id
        #[arg(long)]
        user: Option<UserId>,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make an admin account; prints the password, unless it is given
    Create {
        /// The e-mail address to sign in with
        email: Email,
        /// What the admin is called
        #[arg(long, default_value = "Administrator")]
        name: PersonName,
        /// Take the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
}

impl From<Admin> for Task {
    fn from(command: Admin) -> Self {
        let Admin::Create { email, name, password_stdin } = command;
        Self::CreateAdmin { email, name, password_stdin }
    }
}

impl From<Events> for Task {
    fn from(command: Events) -> Self {
        match command {
            Events::Dead(Dead::List { limit, json }) => Self::ListDead { limit, json },
            Events::Dead(Dead::Replay(ReplayArgs { id, .. })) => {
                Self::ReplayDead(id.map_or(Replay::All, Replay::One))
            }
            Events::Republish { since } => Self::Republish(since),
        }
    }
}

impl From<Reports> for Task {
    fn from(command: Reports) -> Self {
        let Reports::Rebuild { user } = command;
        Self::RebuildReports(user)
    }
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
            Some(Command::Healthcheck) => healthcheck::run(&config).await,
            Some(Command::Events(command)) => app::administer(&config, command.into()).await,
            Some(Command::Reports(command)) => app::administer(&config, command.into()).await,
            Some(Command::Admin(command)) => app::administer(&config, command.into()).await,
            _ => app::serve(config).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough is no failure.
        Err(AppError::Task(TaskError::Output(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    fn task(line: &str) -> Option<Task> {
        let words = ["watchme"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).ok()?.command? {
            Command::Events(command) => Some(command.into()),
            Command::Reports(command) => Some(command.into()),
            Command::Admin(command) => Some(command.into()),
            _ => None,
        }
    }

    #[test]
    fn commands_become_tasks() {
        Cli::command().debug_assert();
        let user = UserId::generate();
        let admin = |name: &str, password_stdin| Task::CreateAdmin {
            email: "root@example.com".parse().unwrap(),
            name: name.parse().unwrap(),
            password_stdin,
        };
        for (line, expected) in [
            ("events dead list", Task::ListDead { limit: 50, json: false }),
            ("events dead list --limit 3 --json", Task::ListDead { limit: 3, json: true }),
            ("events dead replay 7", Task::ReplayDead(Replay::One(7))),
            ("events dead replay --all", Task::ReplayDead(Replay::All)),
            (
                "events republish --since 2h",
                Task::Republish(Since::Ago(Duration::from_secs(7_200))),
            ),
            ("reports rebuild", Task::RebuildReports(None)),
            (&format!("reports rebuild --user {user}"), Task::RebuildReports(Some(user))),
            ("admin create Root@example.com", admin("Administrator", false)),
            ("admin create root@example.com --name Root --password-stdin", admin("Root", true)),
        ] {
            assert_eq!(task(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "events dead replay",
            "events dead replay 7 --all",
            "events dead replay x",
            "events dead list --limit 0",
            "events republish",
            "events republish --since yesterday",
            "reports rebuild --user me",
            "admin create",
            "admin create root",
        ] {
            assert_eq!(task(line), None, "{line}");
        }
    }
}
