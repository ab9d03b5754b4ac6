//! What several test crates share.

#![allow(dead_code, unused_imports, reason = "each crate uses another part")]
#![allow(unreachable_pub, reason = "public to the crates that include it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod app;
pub mod backend;
pub mod client;
pub mod engines;
pub mod mails;
pub mod mysql;
pub mod nats;
pub mod otlp;
pub mod places;
pub mod process;
pub mod proxy;
pub mod smtp;
pub mod stores;
pub mod tmdb_double;
pub mod unthrottled;

pub use app::TestApp;
pub use client::{Answer, Client};
