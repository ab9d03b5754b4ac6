//! Why an engine can't be had.

use std::{io, path::Path, path::PathBuf};

use crate::Engine;

/// Why an engine can't be installed, started or handled.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file or folder could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("run {program}: {source}")]
    Program {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended badly or took too long.
    #[error("{program} {outcome}: {output}")]
    Failed {
        /// The program's name or path.
        program: String,
        /// Its exit status, or the time that it was given.
        outcome: String,
        /// The end of what it printed.
        output: String,
    },
    /// The host lacks something that a native engine needs.
    #[error("{0}")]
    Host(String),
    /// A server was started and did not become ready.
    #[error("{what} was not ready {after}; the end of its log: {log}")]
    NotReady {
        /// The server's name.
        what: String,
        /// How long it was waited for, or how it ended.
        after: String,
        /// The end of its log.
        log: String,
    },
    /// The data of a running server can't be erased.
    #[error("{0} is running: stop it before its data is erased")]
    Running(Engine),
    /// Every way to an engine failed.
    #[error("{engine} can't be had: {}", reasons.join("; "))]
    Unavailable {
        /// The engine.
        engine: Engine,
        /// Why, for each way that was tried.
        reasons: Vec<String>,
    },
    /// A test would be skipped where none may be.
    #[error("{test} would be skipped, which CI does not allow: no {what}: {reason}")]
    Skipped {
        /// What is missing.
        what: String,
        /// The name of the test.
        test: String,
        /// Why it is missing.
        reason: String,
    },
}

pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path = path.to_owned();
    move |source| EngineError::File { action, path, source }
}
