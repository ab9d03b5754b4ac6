//! Servers built from their Go modules; the checksum database pins what is built.

use std::{path::Path, process::Command, time::Duration};

use crate::{cache::open_folder, command::run, error::EngineError};

const BUILD: Duration = Duration::from_secs(1_800);

/// Builds a module's program (`path@version`) into the folder.
pub(crate) fn install(module: &str, bin: &Path) -> Result<(), EngineError> {
    open_folder(bin)?;
    let mut go = Command::new("sh");
    go.args(["-c", "umask 022; exec go install \"$1\"", "sh", module])
        // Out of any module of the caller's, and without a C compiler.
        .current_dir(bin)
        .env("GOBIN", bin)
        .env("CGO_ENABLED", "0");
    run(&mut go, BUILD).map(drop)
}
