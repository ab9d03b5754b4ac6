//! What every user may see now, published for reading without waiting.

mod actor;
mod handle;
mod messages;

pub(crate) use handle::EntitlementPorts;
pub use handle::{EntitlementHandle, EntitlementSettings};
pub use messages::{EntitlementError, EntitlementSource, UserEntitlement};
