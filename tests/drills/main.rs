//! Planned failures of the real binary. Each ends by itself within a few minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a drill fails by panicking")]

mod kill;
mod stop;
#[path = "../support/mod.rs"]
mod support;
