//! WatchMe, the service: adapters, HTTP interface and composition of the core in `actors/`.

pub mod adapters;
pub mod app;
pub mod auth;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data_dir;
mod descriptors;
pub mod first_start;
pub mod healthcheck;
pub mod http;
mod near;
mod remembered;
pub mod shutdown;
pub mod telemetry;
