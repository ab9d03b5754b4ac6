//! MySQL, out of Debian's package.

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
    debian,
    error::{EngineError, file},
    native::{Folder, Native, argument},
    probe,
    process::Server,
    user, versions,
};

const INITIALIZE: Duration = Duration::from_secs(180);
const PROGRAM: &str = "usr/sbin/mysqld";

/// Installs MySQL if it is not in the cache, and gives its folder.
pub(crate) fn installed() -> Result<PathBuf, EngineError> {
    let name = format!("mysql-{}-1-{}", versions::MYSQL, std::env::consts::ARCH);
    cache::installed(&name, |part| {
        let root = part.join("root");
        debian::unpack(&root, &[format!("mysql-server-core={}.*", versions::MYSQL)])?;
        debian::wrap(&root, PROGRAM)?;

        let template = part.join("template");
        fs::create_dir(&template).map_err(file("create", &template))?;
        user::hand_over(&template)?;
        let mut initialize = Command::new(root.join(PROGRAM));
        initialize.args(arguments(&root, &template)).args([
            "--initialize-insecure",
            // The least that there may be: it is copied for every instance.
            "--innodb-redo-log-capacity=8M",
        ]);
        run(user::drop_rights(&mut initialize), INITIALIZE).map(drop)
    })
}

/// An instance that is ready to be started, and its URL: root without a password,
/// no database yet.
pub(crate) fn native(options: &Options, port: u16) -> Result<(Native, String), EngineError> {
    let installed = installed()?;
    let root = installed.join("root");
    let folder = Folder::new(Engine::MySql.slug())?;
    let mut arguments = arguments(&root, &folder.data());
    arguments.extend([
        format!("--port={port}").into(),
        "--bind-address=127.0.0.1".into(),
        argument("--socket=", folder.path().join("socket")),
        argument("--pid-file=", folder.path().join("pid")),
        // Nobody replicates from it, and what else it would keep of itself is not read.
        "--skip-log-bin".into(),
        "--mysqlx=0".into(),
        "--performance-schema=OFF".into(),
        "--innodb-buffer-pool-size=128M".into(),
    ]);
    arguments.extend(versions::MYSQL_ARGUMENTS.iter().map(OsString::from));
    arguments.extend(options.arguments.iter().map(OsString::from));
    let server = Server {
        name: "mysqld",
        program: root.join(PROGRAM),
        arguments,
        environment: Vec::new(),
        log: folder.path().join("mysqld.log"),
        stop: "TERM",
        quit: "KILL",
        ready: probe::mysql(port),
    };
    let native = Native::new(folder, Some(installed.join("template")), vec![server])?;
    Ok((native, url(port)))
}

pub(crate) fn url(port: u16) -> String {
    format!("mysql://root@127.0.0.1:{port}")
}

/// What tells an unpacked MySQL where its own files are.
fn arguments(root: &Path, data: &Path) -> Vec<OsString> {
    vec![
        "--no-defaults".into(),
        argument("--basedir=", root.join("usr")),
        argument("--lc-messages-dir=", root.join("usr/share/mysql")),
        argument("--character-sets-dir=", root.join("usr/share/mysql/charsets")),
        argument("--plugin-dir=", root.join("usr/lib/mysql/plugin")),
        "--secure-file-priv=NULL".into(),
        argument("--datadir=", data),
    ]
}
