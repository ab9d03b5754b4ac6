//! From the outbox to the bus: one replica at a time publishes what was committed.

mod actor;
mod handle;
mod messages;

pub use handle::{RelayHandle, RelayPorts, RelayStatus};

/// The lease of whoever publishes.
pub const LEASE_NAME: &str = "outbox-relay";
