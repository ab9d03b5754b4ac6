//! From watch events to reports: folding, rebuilding, reconciling, and reading one's own writes.

mod actor;
mod fold;
mod handle;
mod messages;
mod reconcile;

pub(crate) use handle::ReportPorts;
pub use handle::{ReportHandle, ReportStatus};
pub use messages::ReportError;
