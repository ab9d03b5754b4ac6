//! The SQL store: accounts, packages, subscriptions, marks, the outbox and leases.
//!
//! One code base over `sqlx::Any` for every engine, within what all of them understand: `?` for
//! parameters, whole numbers and text for every value, no engine's own upserts. What still
//! differs is in [`dialect`]. A transaction that is dropped without a commit is rolled back.

mod accounts;
mod dead_letters;
mod dialect;
mod erasure;
mod errors;
mod idempotency;
mod lease;
mod outbox;
mod packages;
#[cfg(test)]
mod plans;
mod rows;
mod store;
mod subscriptions;
mod watch_log;

pub use store::{SqlSettings, SqlStore};
