//! The whole service over real HTTP, one file for each resource.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod document;
mod erasure;
mod health;
mod movie_details;
mod movies;
mod openapi;
mod oracle;
mod panics;
mod plays;
mod reports;
mod restart;
mod tmdb;
mod tmdb_faults;
mod watched;
