//! What the floor and the benchmark share: access tokens that WatchMe takes for its own.

pub mod tokens;
