//! What every user may see now, published for reading without waiting.

mod actor;
mod handle;
mod messages;

pub use handle::{EntitlementHandle, EntitlementPorts, EntitlementSettings};
pub use messages::{EntitlementError, EntitlementSource, UserEntitlement};
