//! Where genres and movies come from: TMDb, or the demo catalogue that is built in.

mod demo;
mod tmdb;

pub use demo::{DemoCatalogue, DemoError, DemoPackage, demo_packages};
pub use tmdb::{DEFAULT_TMDB_URL, TmdbHttp, TmdbKey, TmdbSettings, TmdbSetupError};
