//! Which films are being watched: views and marks, counted by the hour, and what is read of them.

mod actor;
mod films;
mod handle;
mod messages;
mod tally;

pub use films::{TrendingFilms, TrendingWindow};
pub use handle::{TrendingHandle, TrendingPorts, TrendingStatus};
pub use messages::TrendingError;
pub use tally::Tally;
