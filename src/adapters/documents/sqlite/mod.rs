//! The documents as JSON in a SQLite file of their own. It trades the last moments before a power
//! cut for speed.

mod catalogue;
mod errors;
mod genres;
mod json;
mod reports;
mod rows;
mod selection;
mod store;
mod sync_log;
mod trending;
mod upsert;

pub use store::SqliteDocuments;
