//! Every adapter against the contract of its ports.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bus;
mod bus_dead_letters;
mod bus_jetstream;
mod bus_outage;
mod bus_settings;
mod bus_views;
mod documents;
mod metadata;
mod sql;
#[path = "../support/mod.rs"]
mod support;
