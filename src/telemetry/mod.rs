//! What the process tells of itself while it runs: log lines, and spans of traces.

mod export;
mod logs;
mod spans;
mod traces;

pub use logs::init;
pub use spans::{Kind, Span};
pub use traces::{TraceStatus, Traces};

/// Logging or the export of traces could not be started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TelemetryError {
    /// Logging.
    #[error("logging cannot be started: {0}")]
    Logs(String),
    /// The export of traces.
    #[error("traces cannot be exported: {0}")]
    Traces(String),
}
