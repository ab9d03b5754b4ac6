//! From watch events to reports: folding, rebuilding, reconciling, and reading one's own writes.

mod actor;
mod fold;
mod handle;
mod messages;
mod numbers;
mod partition;
mod projector;
mod rebuild;
mod reconcile;
mod remembered;
mod together;

pub use handle::{ReportHandle, ReportPorts, ReportStatus};
pub use rebuild::{RebuildPorts, Rebuilt, rebuild};
