//! An engine as a container.

use std::{
    ffi::OsStr,
    fmt, fs,
    path::PathBuf,
    process::{self, Command},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Engine, Options,
    command::{run, tail},
    error::{EngineError, file},
    guard::Guard,
    mongodb, mysql, nats, port,
    probe::{self, Probe},
    versions,
};

const ANSWER: Duration = Duration::from_secs(5);
const COMMAND: Duration = Duration::from_secs(60);
const PULL: Duration = Duration::from_secs(900);
const READY: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Whether a Docker engine answers; asked once.
pub(crate) fn answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| run(Command::new("docker").arg("info"), ANSWER).is_ok())
}

/// A container that keeps its port and data while it is stopped, and is removed
/// with its owner.
pub(crate) struct Container {
    program: PathBuf,
    name: String,
    image: &'static str,
    /// What `docker run` is told before and after the image.
    run: (Vec<String>, Vec<String>),
    /// Run inside until it succeeds, before the probe is asked.
    prepare: Option<&'static str>,
    ready: Probe,
    created: bool,
    running: bool,
    _guard: Guard,
    _folder: Option<tempfile::TempDir>,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A container that is ready to be started, and its URL.
pub(crate) fn container(
    engine: Engine,
    options: &Options,
    port: u16,
) -> Result<(Container, String), EngineError> {
    let publish = |inner: u16, outer: u16| format!("--publish=127.0.0.1:{outer}:{inner}");
    let mut folder = None;
    let (image, before, mut after, prepare, ready, url) = match engine {
        Engine::MySql => (
            versions::MYSQL_IMAGE,
            vec![publish(3306, port), "--env=MYSQL_ALLOW_EMPTY_PASSWORD=yes".to_owned()],
            versions::MYSQL_ARGUMENTS.map(str::to_owned).to_vec(),
            None,
            probe::mysql(port),
            mysql::url(port),
        ),
        Engine::MongoDb => (
            versions::MONGODB_IMAGE,
            vec![publish(27017, port)],
            ["--replSet", "rs0", "--bind_ip_all"].map(str::to_owned).to_vec(),
            Some(
                "mongosh --quiet --eval 'try { rs.status() } catch (e) { rs.initiate({_id: \"rs0\", \
                 members: [{_id: 0, host: \"127.0.0.1:27017\"}]}) }'",
            ),
            probe::mongodb(port),
            mongodb::url(port),
        ),
        Engine::Nats => {
            let monitoring = port::free()?;
            let shared = configuration(options)?;
            let mount = format!(
                "--volume={}:/etc/watchme/server.conf:ro",
                shared.path().join("server.conf").display()
            );
            folder = Some(shared);
            (
                versions::NATS_IMAGE,
                vec![publish(4222, port), publish(8222, monitoring), mount],
                [
                    "--config=/etc/watchme/server.conf",
                    "--addr=0.0.0.0",
                    "--port=4222",
                    "--http_port=8222",
                    "--store_dir=/data",
                ]
                .map(str::to_owned)
                .to_vec(),
                None,
                probe::nats(monitoring),
                nats::url(port),
            )
        }
    };
    after.extend(options.arguments.iter().cloned());
    let mut container = Container::new("docker".into(), engine, image, (before, after), ready)?;
    container.prepare = prepare;
    container._folder = folder;
    container.pull()?;
    Ok((container, url))
}

fn configuration(options: &Options) -> Result<tempfile::TempDir, EngineError> {
    let temporary = std::env::temp_dir();
    let folder = tempfile::Builder::new()
        .prefix("watchme-nats-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .map_err(file("create a folder in", &temporary))?;
    let path = folder.path().join("server.conf");
    fs::write(&path, nats::configuration(options)?).map_err(file("write", &path))?;
    Ok(folder)
}

impl Container {
    fn new(
        program: PathBuf,
        engine: Engine,
        image: &'static str,
        run: (Vec<String>, Vec<String>),
        ready: Probe,
    ) -> Result<Self, EngineError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("watchme-{}-{}-{number}", engine.slug(), process::id());
        let guard = Guard::new(
            "\"$2\" rm --force --volumes \"$1\"",
            &[OsStr::new(&name), program.as_os_str()],
        )?;
        Ok(Self {
            program,
            name,
            image,
            run,
            prepare: None,
            ready,
            created: false,
            running: false,
            _guard: guard,
            _folder: None,
        })
    }

    fn docker(&self, arguments: &[&str], limit: Duration) -> Result<String, EngineError> {
        run(Command::new(&self.program).args(arguments), limit)
    }

    fn pull(&self) -> Result<(), EngineError> {
        if self.docker(&["image", "inspect", self.image], COMMAND).is_ok() {
            return Ok(());
        }
        self.docker(&["pull", "--quiet", self.image], PULL).map(drop)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
            && self
                .docker(&["inspect", "--format", "{{.State.Running}}", &self.name], COMMAND)
                .is_ok_and(|answer| answer.trim() == "true")
    }

    pub(crate) fn start(&mut self) -> Result<(), EngineError> {
        if self.created {
            self.docker(&["start", &self.name], COMMAND)?;
        } else {
            let name = format!("--name={}", self.name);
            let mut arguments = vec!["run", "--detach", &name];
            arguments.extend(self.run.0.iter().map(String::as_str));
            arguments.push(self.image);
            arguments.extend(self.run.1.iter().map(String::as_str));
            // One that could not be started is there all the same, to be removed.
            self.created = true;
            run(Command::new(&self.program).args(&arguments), COMMAND)?;
        }
        self.running = true;
        let started = Instant::now();
        let mut prepared = self.prepare.is_none();
        loop {
            if !prepared && let Some(script) = self.prepare {
                prepared = self.docker(&["exec", &self.name, "sh", "-c", script], COMMAND).is_ok();
            }
            if prepared && (self.ready)() {
                return Ok(());
            }
            if started.elapsed() > READY {
                let log = self.docker(&["logs", &self.name], COMMAND).unwrap_or_default();
                return Err(EngineError::NotReady {
                    what: self.image.to_owned(),
                    after: format!("after {} s", READY.as_secs()),
                    log: tail(&log),
                });
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn kill(&mut self) -> Result<(), EngineError> {
        self.end(&["kill"])
    }

    pub(crate) fn stop(&mut self) -> Result<(), EngineError> {
        self.end(&["stop", "-t", "30"])
    }

    fn end(&mut self, command: &[&str]) -> Result<(), EngineError> {
        if self.running {
            self.docker(&[command, &[self.name.as_str()]].concat(), COMMAND)?;
            self.running = false;
        }
        Ok(())
    }

    /// The data goes with the container; the next start makes a new one.
    pub(crate) fn erase(&mut self) -> Result<(), EngineError> {
        if self.created {
            self.docker(&["rm", "--force", "--volumes", &self.name], COMMAND)?;
            self.created = false;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.erase();
    }
}

#[cfg(test)]
#[path = "docker_tests.rs"]
mod tests;
