//! MongoDB's protocol without MongoDB's binaries, which are in no registry:
//! FerretDB on PostgreSQL with the documentdb extension.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    Engine, Options, cache,
    command::run,
    debian,
    error::{EngineError, file},
    golang,
    native::{Folder, Native, argument},
    port,
    probe::{self, Probe},
    process::{Process, Server},
    user, versions,
};

const INITIALIZE: Duration = Duration::from_secs(120);
const PROBE: Duration = Duration::from_secs(10);

/// Where Debian puts PostgreSQL's programs, below the unpacked root.
fn program(name: &str) -> String {
    format!("usr/lib/postgresql/{}/bin/{name}", versions::POSTGRESQL)
}

/// Installs PostgreSQL and FerretDB if they are not in the cache, and gives their folder.
pub(crate) fn installed() -> Result<PathBuf, EngineError> {
    let name = format!(
        "mongodb-ferretdb{}-postgresql{}-documentdb{}-1-{}",
        versions::FERRETDB,
        versions::POSTGRESQL,
        versions::DOCUMENTDB,
        std::env::consts::ARCH
    );
    cache::installed(&name, |part| {
        golang::install(
            &format!("github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v{}", versions::FERRETDB),
            &part.join("bin"),
        )?;
        let root = part.join("root");
        let package =
            format!("postgresql-{}-documentdb={}-*", versions::POSTGRESQL, versions::DOCUMENTDB);
        debian::unpack(&root, &[package])?;
        for name in ["postgres", "initdb", "psql", "pg_isready"] {
            debian::wrap(&root, &program(name))?;
        }
        // What the package's installation script would have linked.
        let extensions =
            root.join(format!("usr/share/postgresql/{}/extension", versions::POSTGRESQL));
        let link = extensions.join("postgis.control");
        symlink("postgis-3.control", &link).map_err(file("link", &link))?;
        create_template(&root, &part.join("template"))
    })
}

fn create_template(root: &Path, data: &Path) -> Result<(), EngineError> {
    fs::create_dir(data).map_err(file("create", data))?;
    user::hand_over(data)?;
    let mut initdb = Command::new(root.join(program("initdb")));
    initdb.arg("-D").arg(data).current_dir("/").args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    run(user::drop_rights(&mut initdb), INITIALIZE)?;

    let port = port::free()?;
    let log = data.join("template.log");
    let mut server = Process::start(&postgresql(root, data, port, log.clone()))?;
    let mut extend = Command::new(root.join(program("psql")));
    extend.current_dir("/").args([
        "--no-psqlrc",
        "--host=127.0.0.1",
        &format!("--port={port}"),
        "--username=postgres",
        "--command=CREATE EXTENSION documentdb CASCADE",
    ]);
    let extended = run(user::drop_rights(&mut extend), INITIALIZE);
    server.stop("INT");
    extended?;
    fs::remove_file(&log).map_err(file("remove", &log))
}

/// An instance that is ready to be started, and its URL: no authentication.
pub(crate) fn native(options: &Options, port: u16) -> Result<(Native, String), EngineError> {
    let installed = installed()?;
    let folder = Folder::new(Engine::MongoDb.slug())?;
    let below = port::free()?;
    let state = folder.path().join("ferretdb");
    fs::create_dir(&state).map_err(file("create", &state))?;
    user::hand_over(&state)?;
    let mut arguments: Vec<OsString> = vec![
        format!("--postgresql-url=postgres://postgres@127.0.0.1:{below}/postgres?sslmode=disable")
            .into(),
        format!("--listen-addr=127.0.0.1:{port}").into(),
        "--debug-addr=-".into(),
        argument("--state-dir=", state),
        "--no-auth".into(),
        "--telemetry=disable".into(),
        "--log-level=warn".into(),
    ];
    arguments.extend(options.arguments.iter().map(OsString::from));
    let ferretdb = Server {
        name: "ferretdb",
        program: installed.join("bin/ferretdb"),
        arguments,
        environment: vec![("DO_NOT_TRACK", "1".into())],
        log: folder.path().join("ferretdb.log"),
        stop: "TERM",
        quit: "KILL",
        ready: probe::mongodb(port),
    };
    let postgresql = postgresql(
        &installed.join("root"),
        &folder.data(),
        below,
        folder.path().join("postgresql.log"),
    );
    let template = Some(installed.join("template"));
    let native = Native::new(folder, template, vec![postgresql, ferretdb])?;
    Ok((native, url(port)))
}

pub(crate) fn url(port: u16) -> String {
    // The one server is asked, not the replica set that it may say it belongs to.
    format!("mongodb://127.0.0.1:{port}/?directConnection=true")
}

fn postgresql(root: &Path, data: &Path, port: u16, log: PathBuf) -> Server {
    let mut arguments: Vec<OsString> = vec!["-D".into(), data.into()];
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "shared_preload_libraries=pg_cron,pg_documentdb_core,pg_documentdb".to_owned(),
        "cron.database_name=postgres".to_owned(),
        "cron.host=127.0.0.1".to_owned(),
        "max_connections=300".to_owned(),
        // The one zone that needs no zone files on the host.
        "timezone=GMT".to_owned(),
        "log_timezone=GMT".to_owned(),
    ] {
        arguments.extend(["-c".into(), setting.into()]);
    }
    Server {
        name: "postgresql",
        program: root.join(program("postgres")),
        arguments,
        environment: Vec::new(),
        log,
        // TERM would wait until every client has gone.
        stop: "INT",
        // KILL would leave its shared memory behind.
        quit: "QUIT",
        ready: accepts(root.join(program("pg_isready")), port),
    }
}

fn accepts(program: PathBuf, port: u16) -> Probe {
    Box::new(move || {
        let mut ask = Command::new(&program);
        ask.current_dir("/").args(["--host=127.0.0.1", &format!("--port={port}")]);
        run(&mut ask, PROBE).is_ok()
    })
}
