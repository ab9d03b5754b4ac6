//! How to reach the store.

use std::{fmt, path::Path, time::Duration};

use url::Url;
use watchme_actors::ports::StoreError;

use super::errors::unavailable;

/// How to reach the store.
#[derive(Clone)]
pub struct SqlSettings {
    /// One of
    /// - `sqlite:///path/to/watchme.db?mode=rwc`. A file: a database in memory would be another one
    ///   for every connection.
    /// - `mysql://user:password@host:3306/database`. TLS by the parameter `ssl-mode`: `DISABLED`,
    ///   `PREFERRED` (the default: TLS where the server offers it, whoever it is), `REQUIRED`,
    ///   `VERIFY_CA` or `VERIFY_IDENTITY`; the last two check the server's certificate against the
    ///   file that `ssl-ca` names, else against the public authorities. `ssl-cert` and `ssl-key`
    ///   name the client's own. `socket` names a Unix socket to be used instead of TCP.
    pub url: String,
    /// Connections, at least 1: on a server all of them, on SQLite those for reading, beside the
    /// one that writes.
    pub connections: u32,
    /// How long a call waits for a connection before it is told that the store is unavailable. On a
    /// server the whole call has 2 s, so that more is of no use there.
    pub acquire_timeout: Duration,
}

impl SqlSettings {
    /// A SQLite file, made if it is missing, with what [`Self::new`] sets.
    ///
    /// # Errors
    /// `Unavailable` when the folder of the file cannot be found.
    pub fn file(path: &Path) -> Result<Self, StoreError> {
        // A URL would take dots, blanks and percent signs of the path for its own.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder =
            folder.map_err(|error| unavailable(format_args!("{}: {error}", path.display())))?;
        let url = path.file_name().and_then(|name| Url::from_file_path(folder.join(name)).ok());
        let url =
            url.ok_or_else(|| unavailable(format_args!("{} names no file", path.display())))?;
        Ok(Self::new(format!("sqlite://{}?mode=rwc", url.path())))
    }

    /// This database with 16 connections (SQLite: 4 for reading) and a wait of at most 2 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let connections = if url.starts_with("sqlite:") { 4 } else { 16 };
        Self { url, connections, acquire_timeout: Duration::from_secs(2) }
    }
}

/// Without the URL, which holds a password.
impl fmt::Debug for SqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSettings")
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .finish_non_exhaustive()
    }
}
