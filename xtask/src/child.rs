//! Programs that are waited for, but not for ever.

use std::{
    io,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

pub(crate) const POLL: Duration = Duration::from_millis(50);

/// The program, allowed to open as many files and connections as the system lets anybody.
pub(crate) fn roomy(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -H -n)\"; exec \"$0\" \"$@\""]).arg(program);
    command
}

/// Whether it ends with success within a time; otherwise it is killed.
pub(crate) fn ends_well(mut child: Child, limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                println!("not done within {} s", limit.as_secs());
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
        }
    }
}
