//! The whole service over real HTTP, as its clients see it: one file for each resource.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod document;
mod entitlements;
mod erasure;
mod genres;
mod health;
mod hostile;
mod idempotency;
mod movie_details;
mod movies;
mod openapi;
mod oracle;
mod packages;
mod pages;
mod panics;
mod plays;
mod problems;
mod reports;
mod restart;
mod subscriptions;
mod tmdb;
mod tmdb_faults;
mod trending;
mod users;
mod watched;
