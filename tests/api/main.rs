//! The whole service over real HTTP, as its clients see it: one file for each resource.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod admin_command;
mod answers;
mod audit;
mod auth;
mod cors;
mod document;
mod entitlements;
mod erasure;
mod genres;
mod hardening;
mod health;
mod idempotency;
mod movie_details;
mod movies;
mod openapi;
mod oracle;
mod packages;
mod pages;
mod panics;
mod passwords;
mod plays;
mod problems;
mod recovery;
mod reports;
mod reports_export;
mod restart;
mod sessions;
mod subscriptions;
mod throttles;
mod tmdb;
mod tmdb_faults;
mod tokens;
mod traces;
mod trending;
mod users;
mod verification;
mod watched;
