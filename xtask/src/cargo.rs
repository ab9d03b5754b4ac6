//! Cargo, as it is run from within Cargo.

use std::process::Command;

/// `cargo` with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The package that this program was run as is nothing to the tests.
    command.args(arguments).env_remove("CARGO_MANIFEST_DIR");
    command
}

/// Runs it; whether it succeeded.
pub(crate) fn succeeds(mut command: Command) -> bool {
    eprintln!("{command:?}");
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{command:?}: {error}");
            false
        }
    }
}
