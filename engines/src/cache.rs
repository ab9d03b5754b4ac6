//! Where installed engines are kept between runs.

use std::{
    env, fs,
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    command::run,
    error::{EngineError, file},
    user,
};

/// The folder that `WATCHME_ENGINES_CACHE` names; else `/var/cache/watchme-engines`
/// for root, whose engines run as a user that may not enter root's home; else
/// `watchme-engines` in the user's cache folder.
pub(crate) fn folder() -> Result<PathBuf, EngineError> {
    choose(
        user::unprivileged().is_some(),
        env::var_os("WATCHME_ENGINES_CACHE").map(PathBuf::from),
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from),
        env::var_os("HOME").map(PathBuf::from),
    )
    .ok_or_else(|| EngineError::Host("neither WATCHME_ENGINES_CACHE nor HOME is set".to_owned()))
}

fn choose(
    root: bool,
    named: Option<PathBuf>,
    xdg: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    // A relative path would be a folder in the repository.
    let absolute = |path: &PathBuf| path.is_absolute();
    named.filter(absolute).or_else(|| {
        if root {
            return Some(PathBuf::from("/var/cache/watchme-engines"));
        }
        let caches =
            xdg.filter(absolute).or_else(|| Some(home.filter(absolute)?.join(".cache")))?;
        Some(caches.join("watchme-engines"))
    })
}

/// Gives the installed folder `name`, which carries the version; installs it first
/// if it is missing.
///
/// `install` fills a folder beside it, which is renamed when it is complete; it must
/// not note the folder's path anywhere. Processes that want the same one wait for
/// each other.
pub(crate) fn installed(
    name: &str,
    install: impl FnOnce(&Path) -> Result<(), EngineError>,
) -> Result<PathBuf, EngineError> {
    installed_in(&folder()?, name, install)
}

fn installed_in(
    cache: &Path,
    name: &str,
    install: impl FnOnce(&Path) -> Result<(), EngineError>,
) -> Result<PathBuf, EngineError> {
    let complete = cache.join(name);
    if complete.is_dir() {
        return Ok(complete);
    }
    open_folder(cache)?;
    let lock = cache.join(format!("{name}.lock"));
    let locked = File::create(&lock).map_err(file("create", &lock))?;
    locked.lock().map_err(file("lock", &lock))?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let part = cache.join(format!("{name}.part"));
    if part.exists() {
        fs::remove_dir_all(&part).map_err(file("remove", &part))?;
    }
    open_folder(&part)?;
    reachable(&part)?;
    let filled = install(&part);
    if filled.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    filled?;
    fs::rename(&part, &complete).map_err(file("rename", &part))?;
    Ok(complete)
}

/// A folder that others may enter, whatever the umask.
pub(crate) fn open_folder(path: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(path).map_err(file("create", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(file("open", path))
}

fn reachable(path: &Path) -> Result<(), EngineError> {
    let mut test = Command::new("test");
    test.arg("-x").arg(path);
    run(user::drop_rights(&mut test), Duration::from_secs(10)).map(drop).map_err(|_| {
        EngineError::Host(format!(
            "the engines' user can't enter {}: set WATCHME_ENGINES_CACHE to a folder that everybody may enter",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    fn path(text: &str) -> Option<PathBuf> {
        Some(PathBuf::from(text))
    }

    #[test]
    fn a_named_folder_comes_first_then_roots_then_the_users() {
        assert_eq!(choose(true, path("/named"), path("/xdg"), path("/home")), path("/named"));
        assert_eq!(
            choose(true, None, path("/xdg"), path("/root")),
            path("/var/cache/watchme-engines")
        );
        assert_eq!(choose(false, None, path("/xdg"), path("/home")), path("/xdg/watchme-engines"));
        assert_eq!(
            choose(false, None, None, path("/home/u")),
            path("/home/u/.cache/watchme-engines")
        );
        assert_eq!(choose(false, None, None, None), None);
    }

    #[test]
    fn a_relative_folder_is_not_taken() {
        assert_eq!(
            choose(false, path("here"), path("there"), path("/home/u")),
            path("/home/u/.cache/watchme-engines")
        );
    }

    fn cache() -> tempfile::TempDir {
        let cache = tempfile::tempdir().unwrap();
        fs::set_permissions(cache.path(), Permissions::from_mode(0o755)).unwrap();
        cache
    }

    #[test]
    fn of_many_who_want_it_one_installs() {
        let cache = cache();
        let installs = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let folder = installed_in(cache.path(), "x-1", |part| {
                        installs.fetch_add(1, Ordering::SeqCst);
                        fs::write(part.join("server"), "").map_err(file("write", part))
                    })
                    .unwrap();
                    assert!(folder.join("server").exists());
                });
            }
        });
        assert_eq!(installs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_is_tried_again() {
        let cache = cache();
        let failed = installed_in(cache.path(), "x-1", |part| {
            fs::write(part.join("half"), "").map_err(file("write", part))?;
            Err(EngineError::Host("no network".to_owned()))
        });
        assert!(failed.is_err());
        let folder = installed_in(cache.path(), "x-1", |_| Ok(())).unwrap();
        assert!(!folder.join("half").exists());
    }
}
