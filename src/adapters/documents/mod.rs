//! Movies, genres, projections, sync records and trending scores as documents: in a SQLite file of
//! their own, or in MongoDB.
//!
//! All of it can be rebuilt from the metadata source and from SQL, so that it never competes with
//! marks for a write lock, and uses nothing but the atomicity of single documents.

mod merge;
mod mongodb;
mod sqlite;

pub use self::{
    mongodb::{MongoDocuments, MongoSettings},
    sqlite::SqliteDocuments,
};
