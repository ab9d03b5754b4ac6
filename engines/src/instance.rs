//! A private server, whatever it is run by.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    Engine,
    docker::{self, Container},
    error::EngineError,
    mongodb, mysql,
    native::Native,
    nats, port,
};

/// Another process may take a port between its choice and its use: what fails soon
/// is tried on another port.
const RETRY: Duration = Duration::from_secs(10);

/// What may differ between instances.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on loopback; none means a free one.
    pub port: Option<u16>,
    /// Further arguments for the server's command line; for MongoDB they are
    /// mongod's or FerretDB's, whichever is run.
    pub arguments: Vec<String>,
    /// NATS only: acknowledge a message before it is on the disk, and do not use the
    /// repository's configuration.
    pub lazy_sync: bool,
}

/// A running server of one's own. It listens on loopback, has its own data, and
/// ends, data included, when it is dropped or this process dies in any way.
#[derive(Debug)]
pub struct Instance {
    engine: Engine,
    port: u16,
    url: String,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Native(Native),
    Container(Container),
}

/// Starts a private server without a password (MySQL's user is root, and it has no
/// database yet), in Docker if an engine of Docker answers, else natively,
/// and waits until it is ready: a second or two, minutes when it has to be
/// installed first.
///
/// # Errors
/// If neither way works; the error says why for each.
pub fn private(engine: Engine, options: &Options) -> Result<Instance, EngineError> {
    let mut reasons = Vec::new();
    if docker::answers() {
        match start(engine, options, |port| {
            let (container, url) = docker::container(engine, options, port)?;
            Ok((Backend::Container(container), url))
        }) {
            Ok(instance) => return Ok(instance),
            Err(error) => reasons.push(format!("docker: {error}")),
        }
    }
    start(engine, options, |port| {
        let (native, url) = match engine {
            Engine::MySql => mysql::native(options, port)?,
            Engine::MongoDb => mongodb::native(options, port)?,
            Engine::Nats => nats::native(options, port)?,
        };
        Ok((Backend::Native(native), url))
    })
    .map_err(|error| {
        reasons.push(format!("native: {error}"));
        EngineError::Unavailable { engine, reasons }
    })
}

/// Installs the engine natively if it is not in the cache, and gives its folder.
///
/// # Errors
/// If a package can't be fetched, or the host lacks what is needed to unpack or
/// build it.
pub fn install(engine: Engine) -> Result<PathBuf, EngineError> {
    match engine {
        Engine::MySql => mysql::installed(),
        Engine::MongoDb => mongodb::installed(),
        Engine::Nats => nats::installed(),
    }
}

fn start(
    engine: Engine,
    options: &Options,
    make: impl Fn(u16) -> Result<(Backend, String), EngineError>,
) -> Result<Instance, EngineError> {
    let deadline = Instant::now() + RETRY;
    loop {
        let port = options.port.map_or_else(port::free, Ok)?;
        let (backend, url) = make(port)?;
        let mut instance = Instance { engine, port, url, backend };
        match instance.start() {
            Ok(()) => return Ok(instance),
            Err(error) if Instant::now() > deadline || options.port.is_some() => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
}

impl Instance {
    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// How a client connects; the same over the instance's whole life.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1; the same over the instance's whole life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the data is; none if it is inside a container.
    #[must_use]
    pub fn data_dir(&self) -> Option<PathBuf> {
        match &self.backend {
            Backend::Native(native) => Some(native.data()),
            Backend::Container(_) => None,
        }
    }

    /// Whether the server runs; false too when it ended by itself.
    pub fn is_running(&mut self) -> bool {
        match &mut self.backend {
            Backend::Native(native) => native.is_running(),
            Backend::Container(container) => container.is_running(),
        }
    }

    /// Ends the server with SIGKILL; nothing happens if it does not run.
    ///
    /// # Errors
    /// If Docker refuses.
    pub fn kill(&mut self) -> Result<(), EngineError> {
        match &mut self.backend {
            Backend::Native(native) => native.kill(),
            Backend::Container(container) => container.kill()?,
        }
        Ok(())
    }

    /// Ends the server in good order, within 30 s; nothing happens if it does not run.
    ///
    /// # Errors
    /// If Docker refuses.
    pub fn stop(&mut self) -> Result<(), EngineError> {
        match &mut self.backend {
            Backend::Native(native) => native.stop(),
            Backend::Container(container) => container.stop()?,
        }
        Ok(())
    }

    /// Starts the server again on the same port with the data that is there, and
    /// waits until it is ready; nothing happens if it runs.
    ///
    /// # Errors
    /// If it does not become ready; the error carries the end of its log.
    pub fn start(&mut self) -> Result<(), EngineError> {
        match &mut self.backend {
            Backend::Native(native) => native.start(),
            Backend::Container(container) if container.is_running() => Ok(()),
            Backend::Container(container) => container.start(),
        }
    }

    /// Puts the data of a stopped server back to that of a new one: for NATS, the
    /// JetStream store is gone.
    ///
    /// # Errors
    /// [`EngineError::Running`] if the server runs, and what the removal or Docker says.
    pub fn erase_data(&mut self) -> Result<(), EngineError> {
        if self.is_running() {
            return Err(EngineError::Running(self.engine));
        }
        match &mut self.backend {
            Backend::Native(native) => native.erase(),
            Backend::Container(container) => container.erase(),
        }
    }
}
