//! WatchMe, the service: adapters, HTTP interface and composition of the core in `actors/`.

pub mod adapters;
