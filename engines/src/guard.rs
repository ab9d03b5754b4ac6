//! The last will of a process that starts servers.

use std::{
    ffi::OsStr,
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use crate::error::EngineError;

/// Passes signals on while its maker lives, and carries out a will when that is
/// gone without a word, be it by SIGKILL.
///
/// It is a shell that reads from a pipe whose other end only the maker holds: the
/// system closes it however the maker ends, so nothing has to be polled, and no
/// thread matters as it would with the parent-death signal.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// `will` is a shell script; `$1` and on are the arguments. Signals are passed
    /// on to the process that `$1` names.
    ///
    /// # Errors
    /// If there is no shell.
    pub fn new(will: &str, arguments: &[&OsStr]) -> Result<Self, EngineError> {
        let script = format!(
            "trap '' INT TERM HUP QUIT\n\
             while read -r signal; do kill -s \"$signal\" \"$1\"; done\n\
             {will}"
        );
        Command::new("sh")
            .args(["-c", &script, "guard"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the terminal's group: Ctrl-C is the maker's to handle.
            .process_group(0)
            .current_dir("/")
            .spawn()
            .map(Self)
            .map_err(|source| EngineError::Program { program: "sh".to_owned(), source })
    }

    /// Sends a signal, such as `TERM`, to the process `$1`. False if the guard is gone.
    pub fn signal(&mut self, name: &str) -> bool {
        self.0.stdin.as_mut().is_some_and(|pipe| writeln!(pipe, "{name}").is_ok())
    }
}

impl Drop for Guard {
    /// The maker has seen to everything itself: the will is void.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn signals_are_passed_on() {
        let mut child = sleeper();
        let mut guard = Guard::new("true", &[OsStr::new(&child.id().to_string())]).unwrap();
        assert!(guard.signal("TERM"));
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn the_will_is_carried_out_when_the_pipe_closes() {
        let mut child = sleeper();
        let pid = child.id().to_string();
        let mut guard = Guard::new("kill -s KILL \"$1\"", &[OsStr::new(&pid)]).unwrap();
        drop(guard.0.stdin.take());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_dismissed_guard_does_nothing() {
        let mut child = sleeper();
        let pid = child.id().to_string();
        drop(Guard::new("kill -s KILL \"$1\"", &[OsStr::new(&pid)]).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
