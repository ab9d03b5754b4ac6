//! Lists of movies whose pages cost about the same however many there are: an index in memory over everything
//! that they are filtered and ordered by, published as a snapshot and kept true by one actor.

mod actor;
mod changed;
mod films;
mod grams;
mod handle;
mod index;
mod lane;
mod list_key;
mod messages;
mod order;
mod parts;
mod segment;
mod slices;
mod work;

pub(crate) use changed::Changed;
pub use handle::{MovieIndexHandle, MovieIndexPorts};
pub use index::{Listing, MovieIndex};
pub use messages::IndexStatus;
