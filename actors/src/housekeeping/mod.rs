//! Deleting what has expired, every hour, by one replica.

mod actor;
mod handle;
mod messages;

pub use handle::{HousekeepingHandle, HousekeepingPorts, HousekeepingSettings, HousekeepingStatus};
