//! Filling the stored catalogue, and keeping it no older than TMDb's terms allow.

mod actor;
mod handle;
mod messages;
mod pass;
mod retention;

pub(crate) use handle::CatalogueSyncPorts;
pub use handle::{CatalogueSyncHandle, CatalogueSyncSettings};
pub use messages::{CatalogueProgress, CatalogueState};
