//! The user that engines run as.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::error::{EngineError, file};

/// `nobody` on every Linux distribution. MySQL and PostgreSQL refuse to run as root.
const NOBODY: u32 = 65_534;

/// The user to change to, if this process is root's.
pub(crate) fn unprivileged() -> Option<u32> {
    (fs::metadata("/proc/self").ok()?.uid() == 0).then_some(NOBODY)
}

/// Has the command run as the engines' user, with that user's rights only.
pub(crate) fn drop_rights(command: &mut Command) -> &mut Command {
    if let Some(user) = unprivileged() {
        command.uid(user).gid(user);
    }
    command
}

/// Gives a folder or file to the engines' user.
pub(crate) fn hand_over(path: &Path) -> Result<(), EngineError> {
    let Some(user) = unprivileged() else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(user), Some(user)).map_err(file("hand over", path))
}
