//! Filling the stored catalogue, and keeping it no older than TMDb's terms allow.

mod actor;
mod handle;
mod messages;
mod pass;
mod retention;

pub use handle::{CatalogueSyncHandle, CatalogueSyncPorts, CatalogueSyncSettings};
pub use messages::{CatalogueProgress, CatalogueState};
