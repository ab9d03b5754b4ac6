//! Servers out of Debian's packages, unpacked into a folder: nothing is installed
//! on the host, and no right to install is needed.

mod mirror;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cache::open_folder,
    command::run,
    error::{EngineError, file},
};

/// Only the development suite carries these lines of MySQL and documentdb.
const SUITE: &str = "sid";
const UPDATE: Duration = Duration::from_secs(300);
const DOWNLOAD: Duration = Duration::from_secs(900);
const UNPACK: Duration = Duration::from_secs(120);

/// Packages that the servers depend on and do not use the way they are run here.
const NOT_NEEDED: [&str; 29] = [
    "adduser",
    "base-passwd",
    "debconf",
    "dirmngr",
    "fonts-dejavu-core",
    "gnupg",
    "gpg",
    "libc-l10n",
    "libgdal39",
    "libpam-modules",
    "libperl5.42",
    "libsemanage2",
    "libsfcgal2",
    "libsystemd-shared",
    "locales",
    "login.defs",
    "mariadb-common",
    "mysql-common",
    "netbase",
    "openssl",
    "passwd",
    "perl",
    "perl-base",
    "postgresql-client-common",
    "postgresql-common",
    "procps",
    "proj-data",
    "systemd",
    "tzdata",
];

/// Downloads the packages (`name=version`, where the version may end in `*`) with
/// what they depend on, and unpacks them into `root`. The names of all that were
/// unpacked are written to `packages` beside it.
pub(crate) fn unpack(root: &Path, packages: &[String]) -> Result<(), EngineError> {
    let work = root.with_file_name("apt");
    let state = State::new(&work)?;
    run(&mut state.apt(&["update"]), UPDATE)?;
    let mut install = state.apt(&["--yes", "--download-only", "install"]);
    run(install.args(packages), DOWNLOAD)?;

    open_folder(root)?;
    let mut names = Vec::new();
    for archive in state.archives()? {
        // The shell for its umask only: the engines' user has to read what is unpacked.
        let mut unpack = Command::new("sh");
        unpack.args(["-c", "umask 022; exec dpkg-deb -x \"$1\" \"$2\"", "sh"]);
        run(unpack.arg(&archive).arg(root), UNPACK)?;
        names.extend(archive.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    for unread in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let _ = fs::remove_dir_all(root.join(unread));
    }
    names.sort();
    let list = root.with_file_name("packages");
    fs::write(&list, names.join("\n")).map_err(file("write", &list))?;
    fs::remove_dir_all(&work).map_err(file("remove", &work))
}

/// apt with folders of its own, so that it needs no rights and leaves no trace.
struct State<'a> {
    folder: &'a Path,
}

impl<'a> State<'a> {
    fn new(folder: &'a Path) -> Result<Self, EngineError> {
        for sub in ["lists/partial", "archives/partial"] {
            open_folder(&folder.join(sub))?;
        }
        let keyring = ["gpg", "pgp"]
            .map(|end| PathBuf::from(format!("/usr/share/keyrings/debian-archive-keyring.{end}")))
            .into_iter()
            .find(|path| path.exists())
            .ok_or_else(|| EngineError::Host("Debian's archive keyring is not here".to_owned()))?;
        let mirror = mirror::of_this_host()
            .ok_or_else(|| EngineError::Host("apt knows no mirror of Debian here".to_owned()))?;
        let source = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nSigned-By: {}\n",
            keyring.display()
        );
        for (name, text) in [("debian.sources", source), ("status", status())] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(file("write", &path))?;
        }
        Ok(Self { folder })
    }

    fn apt(&self, arguments: &[&str]) -> Command {
        let mut apt = Command::new("apt-get");
        let folder = self.folder.display();
        for option in [
            format!("Dir::State={folder}"),
            format!("Dir::State::status={folder}/status"),
            format!("Dir::State::lists={folder}/lists"),
            format!("Dir::Cache={folder}"),
            format!("Dir::Cache::archives={folder}/archives"),
            format!("Dir::Etc::sourcelist={folder}/debian.sources"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Dir::Etc::preferences=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Install-Recommends=false".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ] {
            apt.args(["-o", &option]);
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet"]).args(arguments);
        apt
    }

    fn archives(&self) -> Result<Vec<PathBuf>, EngineError> {
        let folder = self.folder.join("archives");
        let entries = fs::read_dir(&folder).map_err(file("list", &folder))?;
        Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "deb"))
            .collect())
    }
}

/// What apt believes to be installed: this is how it is kept from downloading it.
fn status() -> String {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    NOT_NEEDED.iter().fold(String::new(), |mut text, package| {
        let _ = write!(
            text,
            "Package: {package}\nStatus: install ok installed\nPriority: optional\n\
             Section: misc\nMaintainer: nobody <nobody@localhost>\n\
             Architecture: {architecture}\nMulti-Arch: allowed\nVersion: 9999\n\
             Description: not needed\n\n"
        );
        text
    })
}

/// Writes an executable script beside the program, which runs it with the libraries
/// that were unpacked with it and not the host's. `name` is below `root`.
pub(crate) fn wrap(root: &Path, name: &str) -> Result<(), EngineError> {
    let program = root.join(name);
    let real = program.with_extension("real");
    fs::rename(&program, &real).map_err(file("rename", &program))?;
    let (triple, loader) = match std::env::consts::ARCH {
        "aarch64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    let up = "/..".repeat(name.matches('/').count());
    // The program sees the script's name as its own, so that it finds its siblings.
    let script = format!(
        "#!/bin/sh\n\
         root=${{0%/*}}{up}\n\
         lib=$root/usr/lib/{triple}\n\
         exec \"$lib/{loader}\" --library-path \"$lib:${{0%/*}}/../lib\" --argv0 \"$0\" \"$0.real\" \"$@\"\n"
    );
    fs::write(&program, script).map_err(file("write", &program))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).map_err(file("open", &program))
}
