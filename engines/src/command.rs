//! Programs that are run to their end, within a time.

use std::{
    io::{Read, Seek},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::error::EngineError;

const POLL: Duration = Duration::from_millis(20);
/// Of a program's output, what is worth showing when it failed.
const TAIL: usize = 1_500;

/// Runs a program and gives what it printed on both channels.
///
/// # Errors
/// If it can't be started, takes longer than `limit` (it is killed then) or
/// ends with anything but 0.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<String, EngineError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let broken = |source| EngineError::Program { program: program.clone(), source };
    // A file, not a pipe: a full pipe would stop a program that nobody reads from.
    let mut output = tempfile::tempfile().map_err(broken)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(broken)?)
        .stderr(output.try_clone().map_err(broken)?)
        .spawn()
        .map_err(broken)?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait().map_err(broken)? {
            Some(status) => break Some(status),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let mut bytes = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut bytes)).map_err(broken)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match status {
        Some(status) if status.success() => Ok(text),
        status => Err(EngineError::Failed {
            program,
            outcome: status.map_or_else(
                || format!("took longer than {} s", limit.as_secs()),
                |status| format!("ended with {status}"),
            ),
            output: tail(&text),
        }),
    }
}

/// The end of a text, on one line.
pub(crate) fn tail(text: &str) -> String {
    let start = text.len().saturating_sub(TAIL);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[start..].trim().replace('\n', " | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn gives_both_channels() {
        let printed = run(&mut shell("echo out; echo err >&2"), Duration::from_secs(10)).unwrap();
        assert_eq!(printed, "out\nerr\n");
    }

    #[test]
    fn a_failure_carries_its_status_and_output() {
        let error = run(&mut shell("echo why; exit 7"), Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 7: why");
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let started = Instant::now();
        let error = run(&mut shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, EngineError::Failed { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_tail_never_cuts_a_letter() {
        let text = "ä".repeat(TAIL);
        assert!(tail(&text).chars().all(|letter| letter == 'ä'));
    }
}
