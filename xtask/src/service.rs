//! The real binary, embedded, for those who ask it from outside.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cargo::{cargo, succeeds},
    child::{POLL, roomy},
};

#[expect(unreachable_pub, reason = "public to the tests that share it")]
#[path = "../../tests/support/unthrottled.rs"]
mod unthrottled;

/// Address and password of the admin.
pub(crate) const FOUNDER: (&str, &str) = ("founder@watchme.example", "a founder's pass phrase");
const START: Duration = Duration::from_secs(60);

/// Which build of the binary.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// Soon there.
    Dev,
    /// As it is shipped.
    Release,
}

impl Build {
    /// Has Cargo make it; whether that went well.
    pub(crate) fn is_made(self) -> bool {
        let mut command = cargo(&["build", "--locked", "--bin", "watchme"]);
        if let Self::Release = self {
            command.arg("--release");
        }
        succeeds(command)
    }

    fn path(self) -> io::Result<PathBuf> {
        // Beside this program, which Cargo built into the folder of its profile.
        let dev = std::env::current_exe()?.with_file_name("watchme");
        Ok(match self {
            Self::Dev => dev,
            Self::Release => dev.with_file_name("../release/watchme"),
        })
    }
}

/// A running service with the demo catalogue and without throttles. Dropping it kills it.
pub(crate) struct Service {
    process: Child,
    pub(crate) url: String,
    log: PathBuf,
}

impl Service {
    /// Starts it on a free port, with all that it keeps in this folder, and waits until it is ready.
    pub(crate) fn start(build: Build, folder: &Path) -> io::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
        let log = folder.join("service.log");
        let binary = build.path()?;
        let command = |mut program: Command| {
            program.env_clear().env("WATCHME_LISTEN", &address);
            program
        };
        let process = command(roomy(&binary))
            .env("WATCHME_DATA_DIR", folder.join("data"))
            .env("WATCHME_ADMIN_EMAIL", FOUNDER.0)
            .env("WATCHME_ADMIN_PASSWORD", FOUNDER.1)
            // Longer than any run.
            .env("WATCHME_ACCESS_TOKEN_TTL", "1h")
            .env("RUST_LOG", "warn")
            .envs(unthrottled::UNTHROTTLED.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let service = Self { process, url: format!("http://{address}"), log };
        let deadline = Instant::now() + START;
        while !command(Command::new(&binary)).arg("healthcheck").output()?.status.success() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(&service.log)?;
                return Err(io::Error::other(format!("the service is not ready: {log}")));
            }
            thread::sleep(POLL);
        }
        Ok(service)
    }

    /// How it ended, with what it logged, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<String>> {
        let Some(status) = self.process.try_wait()? else { return Ok(None) };
        let log = fs::read_to_string(&self.log)?;
        Ok(Some(format!("the service ended with {status}: {log}")))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
