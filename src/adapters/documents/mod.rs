//! Movies, genres, projections and sync records as JSON documents in a SQLite file of their own.
//!
//! Everything in it can be rebuilt from the metadata source and from SQL, so that it trades the
//! last moments before a power cut for speed, and never competes with marks for a write lock.

mod catalogue;
mod errors;
mod genres;
mod json;
mod merge;
mod reports;
mod selection;
mod store;
mod sync_log;
mod upsert;

pub use store::DocumentStore;
