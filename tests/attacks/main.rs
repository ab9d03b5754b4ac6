//! What somebody may try who means no good: every operation by every kind of caller, and hostile
//! values in every place that a request has.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod cast;
mod fields;
mod frames;
mod hostile;
mod matrix;
mod policy;
mod requests;
mod strings;
mod target;
mod values;
