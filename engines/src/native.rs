//! An engine as processes of this host, with a folder of its own.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    command::run,
    error::{EngineError, file},
    guard::Guard,
    process::{Process, Server},
    user,
};

/// A server that was killed may leave helpers behind that hold its data for a moment:
/// one that ends at once is started again for so long.
const RETRY: Duration = Duration::from_secs(2);
const REMOVALS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
const COPY: Duration = Duration::from_secs(120);

/// A folder that is removed with its owner, whichever way that ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _guard: Guard,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self, EngineError> {
        let parent = std::env::temp_dir();
        let path = tempfile::Builder::new()
            .prefix(&format!("watchme-{name}-"))
            .tempdir()
            .map_err(file("create a folder in", &parent))?
            .keep();
        // The engines go first: they carry out wills of their own.
        let guard = Guard::new(
            "for _ in 1 2 3 4; do sleep 2; rm -rf -- \"$1\" && break; done",
            &[path.as_os_str()],
        )?;
        user::hand_over(&path)?;
        Ok(Self { path, _guard: guard })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The server's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            if fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Servers that start in their order and end in the reverse one.
#[derive(Debug)]
pub(crate) struct Native {
    // Before the folder: what runs has to end before its files are removed.
    running: Vec<Process>,
    servers: Vec<Server>,
    template: Option<PathBuf>,
    folder: Folder,
}

impl Native {
    /// Copies the template, if there is one, to be the data. Nothing runs yet.
    pub(crate) fn new(
        folder: Folder,
        template: Option<PathBuf>,
        servers: Vec<Server>,
    ) -> Result<Self, EngineError> {
        let native = Self { running: Vec::new(), servers, template, folder };
        native.fill()?;
        Ok(native)
    }

    fn fill(&self) -> Result<(), EngineError> {
        let data = self.folder.data();
        if let Some(template) = &self.template {
            let mut copy = Command::new("cp");
            copy.args(["-a", "--reflink=auto"]).arg(template).arg(&data);
            return run(&mut copy, COPY).map(drop);
        }
        fs::create_dir(&data).map_err(file("create", &data))?;
        user::hand_over(&data)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.data()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        !self.running.is_empty() && self.running.iter_mut().all(|process| process.ended().is_none())
    }

    pub(crate) fn start(&mut self) -> Result<(), EngineError> {
        if self.is_running() {
            return Ok(());
        }
        self.running.clear();
        for server in &self.servers {
            self.running.push(start_patiently(server)?);
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        for process in &mut self.running {
            process.kill();
        }
        self.running.clear();
    }

    pub(crate) fn stop(&mut self) {
        while let Some(mut process) = self.running.pop() {
            let signal = self.servers.get(self.running.len()).map_or("TERM", |server| server.stop);
            process.stop(signal);
        }
    }

    /// Back to the data of a new instance.
    pub(crate) fn erase(&mut self) -> Result<(), EngineError> {
        let data = self.folder.data();
        fs::remove_dir_all(&data).map_err(file("remove", &data))?;
        self.fill()
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        while self.running.pop().is_some() {}
    }
}

fn start_patiently(server: &Server) -> Result<Process, EngineError> {
    let deadline = Instant::now() + RETRY;
    loop {
        match Process::start(server) {
            Err(_) if Instant::now() < deadline => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

/// An argument of the form `--name=<path>`.
pub(crate) fn argument(name: &str, value: impl AsRef<OsStr>) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push(value);
    argument
}
