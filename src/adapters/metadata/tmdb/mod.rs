//! The real TMDb, over HTTP.

mod clean;
mod client;
mod convert;
mod settings;
mod transport;
mod wire;

pub use client::TmdbHttp;
pub use settings::{DEFAULT_TMDB_URL, TmdbKey, TmdbSettings, TmdbSetupError};
