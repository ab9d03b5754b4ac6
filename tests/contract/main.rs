//! Every adapter against the contract of its ports.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bus;
mod documents;
mod documents_mongodb;
mod documents_outage;
mod documents_schema;
mod metadata;
mod sql;
#[path = "../support/mod.rs"]
mod support;
