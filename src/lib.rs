//! WatchMe, the service: adapters, HTTP interface and composition of the core in `actors/`.

pub mod adapters;
pub mod auth;
pub mod config;
pub mod http;
pub mod telemetry;
