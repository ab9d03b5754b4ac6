//! The SQL store: accounts, packages, subscriptions, marks, the outbox and leases.
//!
//! One code base over `sqlx::Any` for every engine, within what all of them understand: `?` for
//! parameters, whole numbers and text for every value, no engine's own upserts. What still
//! differs is in [`dialect`]. Every port reads and writes through the three ways of [`work`].

mod accounts;
mod admission;
mod audit;
mod batch;
mod dead_letters;
mod dialect;
mod erasure;
mod errors;
mod housekeeping;
mod idempotency;
mod lease;
mod mail_queue;
mod mail_tokens;
mod news;
mod outbox;
mod packages;
mod passwords;
#[cfg(test)]
mod plans;
mod pools;
mod profile;
mod registration;
mod rows;
mod server;
mod sessions;
mod settings;
mod sqlite;
mod store;
mod subscriptions;
mod throttles;
mod watch_log;
mod work;
mod writer;

pub use settings::SqlSettings;
pub use store::SqlStore;
