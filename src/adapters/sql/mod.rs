//! The SQL store: accounts, packages, subscriptions, marks, the outbox and leases.
//!
//! One code base over `sqlx::Any` for every engine, within what all of them understand: `?` for
//! parameters, whole numbers and text for every value, no engine's own upserts. What still
//! differs is in [`dialect`]. Every port reads and writes through the three ways of [`work`].

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
mod server;
mod settings;
mod sqlite;
mod store;
mod subscriptions;
mod watch_log;
mod work;

pub use settings::SqlSettings;
pub use store::SqlStore;
