//! The HTTP interface, as its clients see it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod auth;
mod entitlements;
mod genres;
mod idempotency;
mod packages;
mod pages;
mod problems;
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;
mod users;
