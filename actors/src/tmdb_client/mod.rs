//! The only way to TMDb: paced, coalesced, retried, and cut off while it fails.

mod actor;
mod circuit;
mod handle;
mod messages;
mod pace;

pub use circuit::CircuitState;
pub use handle::{TmdbClientHandle, TmdbStatus};
pub use messages::TmdbError;
