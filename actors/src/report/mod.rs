//! From watch events to reports: folding, rebuilding, reconciling, and reading one's own writes.

mod actor;
mod fold;
mod handle;
mod messages;
mod reconcile;

pub use handle::{ReportHandle, ReportPorts, ReportStatus};
