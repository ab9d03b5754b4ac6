//! The catalogue for those who have no TMDb key.

mod catalogue;
mod facts;

pub use catalogue::DemoCatalogue;
pub use facts::{DemoError, DemoPackage, demo_packages};
