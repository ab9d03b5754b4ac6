//! The documents in MongoDB, or in a server that speaks its protocol: no transactions, collations
//! or change streams, only atomic changes of single documents, each with its guard in its filter.

mod bulk;
mod catalogue;
mod circuit;
mod documents;
mod errors;
mod genres;
mod plans;
mod reports;
mod rows;
mod schema;
mod selection;
mod settings;
mod store;
mod sync_log;
mod trending;
mod upsert;

pub use settings::MongoSettings;
pub use store::MongoDocuments;
