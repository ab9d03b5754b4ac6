//! The contract suites, over every adapter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sql;
