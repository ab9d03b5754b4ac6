//! One module for each kind of outside thing; only `app` names what is in them.

pub mod bus;
pub mod documents;
pub mod mail;
pub mod metadata;
pub mod sql;
