//! One server process: started, awaited, ended.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::OpenOptions,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    command::tail,
    error::{EngineError, file},
    guard::Guard,
    probe::Probe,
    user,
};

/// Enough for a recovery after SIGKILL on a busy machine.
const READY: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
const QUIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// How a server is run; the same for every start of an instance.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) log: PathBuf,
    /// The signal for an orderly end.
    pub(crate) stop: &'static str,
    /// The signal for a quick end that still gives back what the system does not
    /// take back by itself.
    pub(crate) quit: &'static str,
    pub(crate) ready: Probe,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A running server. It ends when this is dropped and when this process dies.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guard: Guard,
    quit: &'static str,
}

impl Process {
    /// Starts the server as the engines' user and waits until it answers.
    pub(crate) fn start(server: &Server) -> Result<Self, EngineError> {
        let mut process = Self::spawn(server)?;
        let started = Instant::now();
        while !(server.ready)() {
            let after = match process.ended() {
                Some(status) => format!("when it ended with {status}"),
                None if started.elapsed() > READY => format!("after {} s", READY.as_secs()),
                None => {
                    thread::sleep(POLL);
                    continue;
                }
            };
            let log = std::fs::read(&server.log).unwrap_or_default();
            let log = tail(&String::from_utf8_lossy(&log));
            return Err(EngineError::NotReady { what: server.name.to_owned(), after, log });
        }
        Ok(process)
    }

    fn spawn(server: &Server) -> Result<Self, EngineError> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&server.log)
            .map_err(file("open", &server.log))?;
        let errors = log.try_clone().map_err(file("open", &server.log))?;
        let mut command = Command::new(&server.program);
        command
            .args(&server.arguments)
            .envs(server.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .current_dir("/")
            .process_group(0);
        let mut child = user::drop_rights(&mut command).spawn().map_err(|source| {
            EngineError::Program { program: server.program.display().to_string(), source }
        })?;
        let pid = child.id().to_string();
        let will = "kill -s \"$2\" \"$1\"\n\
                    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 \"$1\" || break; sleep 0.1; done\n\
                    kill -s KILL \"$1\"";
        match Guard::new(will, &[OsStr::new(&pid), OsStr::new(server.quit)]) {
            Ok(guard) => Ok(Self { child, guard, quit: server.quit }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// An orderly end; SIGKILL if it takes too long.
    pub(crate) fn stop(&mut self, signal: &str) {
        self.end(signal, STOP);
    }

    fn end(&mut self, signal: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        if self.ended().is_none() && self.guard.signal(signal) {
            while self.ended().is_none() && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(self.quit, QUIT);
    }
}
