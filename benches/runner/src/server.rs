//! A server under test: a process of its own, which ends with this one.

use std::{
    ffi::OsStr,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use watchme_engines::Guard;

use crate::{
    api::Api,
    error::{BenchError, Outcome},
    process,
    users::User,
};

#[expect(unreachable_pub, reason = "public to the tests that share it")]
#[path = "../../../tests/support/unthrottled.rs"]
mod unthrottled;

/// Signs the tokens that both sides verify.
pub(crate) const SECRET: &str = "no secret: it signs what only a benchmark believes";
/// For a first start over a large catalogue.
const START: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);
/// A server that has work left is let finish it for so long.
const SETTLE: Duration = Duration::from_secs(20);
const SETTLE_LOOK: Duration = Duration::from_millis(100);

/// A running server. Dropping it kills it, and so does the end of this process, whatever that is.
pub(crate) struct Server {
    child: Child,
    guard: Guard,
    address: SocketAddr,
    started: Instant,
}

impl Server {
    /// WatchMe over a data folder, with its log lines written to nowhere.
    pub(crate) fn watchme(data: &Path, settings: &[(&str, &str)]) -> Outcome<Self> {
        let mut command = Command::new(beside("watchme")?);
        command
            .env("WATCHME_DATA_DIR", data)
            .env("JWT_SECRET", SECRET)
            .env("WATCHME_ADMIN_EMAIL", "admin@bench.example")
            .env("WATCHME_ADMIN_PASSWORD", "the admin of a benchmark")
            .envs(unthrottled::UNTHROTTLED.iter().copied())
            .envs(settings.iter().copied());
        Self::start(command, "WATCHME_LISTEN")
    }

    /// A floor, ready to be asked.
    pub(crate) fn floor(work: &str, argument: &OsStr) -> Outcome<Self> {
        let mut command = Command::new(beside("floor")?);
        command.arg(work).arg(argument).env("JWT_SECRET", SECRET);
        let mut floor = Self::start(command, "FLOOR_LISTEN")?;
        floor.until(|floor| Ok(TcpStream::connect(floor.address).is_ok()))?;
        Ok(floor)
    }

    fn start(mut command: Command, listen: &str) -> Outcome<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let kept: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command
            .env_clear()
            .envs(kept)
            .env("PATH", path)
            .env(listen, address.to_string())
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let pid = child.id().to_string();
        match Guard::new("kill -s KILL \"$1\"", &[OsStr::new(&pid)]) {
            Ok(guard) => Ok(Self { child, guard, address, started }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Somebody, or nobody, who asks.
    pub(crate) fn api(&self, user: Option<&User>) -> Outcome<Api> {
        Api::new(self.address, user.map(|user| user.token.clone()))
    }

    /// How long it took from its start until a path was answered with 200.
    pub(crate) fn first_answer(&mut self, user: Option<&User>, path: &str) -> Outcome<Duration> {
        self.until(|server| Ok(server.api(user)?.get(path).is_ok()))?;
        Ok(self.started.elapsed())
    }

    /// Waits until its catalogue is complete.
    pub(crate) fn complete(&mut self) -> Outcome<Duration> {
        self.until(|server| {
            let health = server.api(None)?.get("/health");
            Ok(health.is_ok_and(|health| health["catalogue"]["state"] == "ready"))
        })?;
        Ok(self.started.elapsed())
    }

    fn until(&mut self, done: impl Fn(&Self) -> Outcome<bool>) -> Outcome<()> {
        while !done(self)? {
            if let Some(status) = self.child.try_wait()? {
                return Err(BenchError::unexpected(format!("a server ended with {status}")));
            }
            if self.started.elapsed() > START {
                return Err(BenchError::unexpected("a server was not ready in time"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The time of a core that it has used.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        process::cpu(self.child.id())
    }

    /// What it weighs, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        process::memory(self.child.id())
    }

    /// Waits until it has nothing left to do, so that it takes no core from others.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let began = Instant::now();
        let mut before = self.cpu()?;
        while began.elapsed() < SETTLE {
            thread::sleep(SETTLE_LOOK);
            let now = self.cpu()?;
            if now - before <= SETTLE_LOOK / 10 {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let began = Instant::now();
        self.guard.signal("TERM");
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > STOP {
                return Err(BenchError::unexpected("a server did not end in time"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program beside this one, which Cargo built into the same folder.
pub(crate) fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
