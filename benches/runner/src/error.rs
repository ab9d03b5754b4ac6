//! Why something was not measured.

use std::io;

use watchme_engines::EngineError;

/// Why something was not measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("seed: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It can't be measured here, for a reason that is no fault.
    #[error("{0}")]
    Skipped(String),
    /// What was measured is not what should have been.
    #[error("{0}")]
    Unexpected(String),
}

impl BenchError {
    pub(crate) fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }
}

pub(crate) type Outcome<T> = Result<T, BenchError>;
