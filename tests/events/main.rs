//! What is on the wire is what `nats/asyncapi.yaml` publishes, and strangers can read it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod document;
mod example;
mod foreign;
mod messages;
mod samples;
#[path = "../support/mod.rs"]
mod support;
