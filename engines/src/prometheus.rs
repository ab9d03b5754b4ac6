//! Prometheus and its `promtool`, out of Debian's packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cache, debian,
    error::{EngineError, file},
    native::{Folder, Native, argument},
    port, probe,
    process::Server,
    user, versions,
};

const SERVER: &str = "usr/bin/prometheus";
const TOOL: &str = "usr/bin/promtool";

/// Installs both if they are not in the cache, and gives the path of `promtool`.
///
/// # Errors
/// If the packages can't be fetched, or the host lacks what is needed to unpack them.
pub fn promtool() -> Result<PathBuf, EngineError> {
    Ok(installed()?.join("root").join(TOOL))
}

fn installed() -> Result<PathBuf, EngineError> {
    let name = format!("prometheus-{}-1-{}", versions::PROMETHEUS, std::env::consts::ARCH);
    cache::installed(&name, |part| {
        let root = part.join("root");
        let packages =
            ["prometheus", "promtool"].map(|name| format!("{name}={}.*", versions::PROMETHEUS));
        debian::unpack(&root, &packages)?;
        debian::wrap(&root, SERVER)?;
        debian::wrap(&root, TOOL)
    })
}

/// A running Prometheus of one's own. It listens on loopback, and ends, data included,
/// when it is dropped or this process dies in any way.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    log: PathBuf,
    _native: Native,
}

impl Prometheus {
    /// Starts it with this configuration and these rules (names and contents), which the
    /// configuration finds in the folder `rules` beside itself; waits until it takes queries.
    ///
    /// # Errors
    /// If it can't be installed or does not become ready, for instance because it does not
    /// understand what it was given.
    pub fn start(configuration: &str, rules: &[(String, String)]) -> Result<Self, EngineError> {
        let program = installed()?.join("root").join(SERVER);
        let folder = Folder::new("prometheus")?;
        let (config, rules_folder) =
            (folder.path().join("prometheus.yml"), folder.path().join("rules"));
        put(&config, configuration)?;
        fs::create_dir(&rules_folder).map_err(file("create", &rules_folder))?;
        user::hand_over(&rules_folder)?;
        for (name, text) in rules {
            put(&rules_folder.join(name), text)?;
        }
        let port = port::free()?;
        let log = folder.path().join("prometheus.log");
        let server = Server {
            name: "prometheus",
            program,
            arguments: vec![
                argument("--config.file=", &config),
                argument("--storage.tsdb.path=", folder.data()),
                format!("--web.listen-address=127.0.0.1:{port}").into(),
            ],
            environment: Vec::new(),
            log: log.clone(),
            stop: "TERM",
            quit: "KILL",
            ready: probe::prometheus(port),
        };
        let mut native = Native::new(folder, None, vec![server])?;
        native.start()?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), log, _native: native })
    }

    /// Where its HTTP interface is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged so far.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn log(&self) -> Result<String, EngineError> {
        fs::read_to_string(&self.log).map_err(file("read", &self.log))
    }
}

fn put(path: &Path, text: &str) -> Result<(), EngineError> {
    fs::write(path, text).map_err(file("write", path))?;
    user::hand_over(path)
}
