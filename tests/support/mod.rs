//! What several test crates share.

#![allow(dead_code, unused_imports, reason = "each crate uses another part")]
#![allow(unreachable_pub, reason = "public to the crates that include it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod app;
pub mod client;
pub mod engines;
pub mod nats;
pub mod process;
pub mod tmdb_double;
pub mod wire;

pub use app::TestApp;
pub use client::{Answer, Client};
