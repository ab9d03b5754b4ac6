//! The data folder of the embedded way: one process at a time, and the secrets that it made.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rand::{RngExt, distr::Alphanumeric};

use crate::config::Secret;

/// Letters and digits of a generated secret: more than 256 bits.
const SECRET_LENGTH: usize = 48;
/// Letters and digits of a generated password: more than 128 bits.
const PASSWORD_LENGTH: usize = 24;

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process works in it.
    #[error(
        "{0} is used by another process: stop that one, or set WATCHME_DATA_DIR (and DATABASE_URL, if it is set) to another place"
    )]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("{path}: {error}; WATCHME_DATA_DIR names the data folder")]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file in it is not what this service wrote.
    #[error("{0} is empty: delete it, and a new secret is made (which ends every session)")]
    Empty(PathBuf),
}

/// A locked data folder. The lock goes with the value, or with the process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder if need be, for the owner alone, and locks it.
    ///
    /// # Errors
    /// `InUse`, `Io`.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        create_folder(path).map_err(|error| DataDirError::Io { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), _lock: lock(path, &path.join("lock"))? })
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The secret that signs access tokens: made once, then kept.
    ///
    /// # Errors
    /// `Io`, `Empty`.
    pub fn jwt_secret(&self) -> Result<Secret, DataDirError> {
        let path = self.file("jwt-secret");
        match fs::read_to_string(&path).map(Secret::new) {
            Ok(text) if text.expose().trim().is_empty() => Err(DataDirError::Empty(path)),
            Ok(text) => Ok(Secret::new(text.expose().trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Secret::new(random_text(SECRET_LENGTH));
                self.write_private("jwt-secret", secret.expose())?;
                Ok(secret)
            }
            Err(error) => Err(DataDirError::Io { path, error }),
        }
    }

    /// Writes a file that only its owner can read, whole or not at all; where it is.
    ///
    /// # Errors
    /// `Io`.
    pub fn write_private(&self, name: &str, text: &str) -> Result<PathBuf, DataDirError> {
        let path = self.file(name);
        write_private(&path, format!("{text}\n").as_bytes())
            .map_err(|error| DataDirError::Io { path: path.clone(), error })?;
        Ok(path)
    }
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// What the operating system says.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// Locks a file that lies outside the data folder, by a file beside it.
///
/// # Errors
/// `InUse`, `Io`.
pub fn lock_beside(file: &Path) -> Result<File, DataDirError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    lock(file, Path::new(&name))
}

fn lock(what: &Path, by: &Path) -> Result<File, DataDirError> {
    let io = |error| DataDirError::Io { path: by.to_owned(), error };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(by).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(what.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Makes a folder for its owner alone, if it is not there.
///
/// # Errors
/// What the operating system says.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// A password that nobody chose.
#[must_use]
pub fn random_password() -> String {
    random_text(PASSWORD_LENGTH)
}

fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_in_use_is_refused_until_it_is_free() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_file_elsewhere_is_locked_beside_itself() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("watchme.db");
        let first = lock_beside(&file).unwrap();
        assert!(matches!(lock_beside(&file), Err(DataDirError::InUse(path)) if path == file));
        drop(first);
        lock_beside(&file).unwrap();
    }

    #[test]
    fn the_secret_is_made_once_and_for_the_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(parent.path()).unwrap();
        let first = folder.jwt_secret().unwrap();
        assert!(first.expose().len() >= 32);
        assert_eq!(folder.jwt_secret().unwrap().expose(), first.expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.file("jwt-secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(folder.file("jwt-secret"), "\n").unwrap();
        assert!(matches!(folder.jwt_secret(), Err(DataDirError::Empty(_))));
    }
}
