//! Every adapter against the contract of its ports.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bus;
mod bus_dead_letters;
mod bus_erasure;
mod bus_jetstream;
mod bus_lost;
mod bus_outage;
mod bus_settings;
mod bus_views;
mod documents;
mod documents_mongodb;
mod documents_outage;
mod documents_schema;
mod housekeeping;
mod mail;
mod metadata;
mod sql;
mod sql_groups;
mod sql_migrations;
mod sql_mysql;
mod sql_outage;
mod sql_sessions;
mod sql_together;
#[path = "../support/mod.rs"]
mod support;
