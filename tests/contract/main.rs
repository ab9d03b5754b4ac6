//! Every adapter against the contract of its ports.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bus;
mod documents;
mod metadata;
mod sql;
mod sql_mysql;
mod sql_outage;
#[path = "../support/mod.rs"]
mod support;
