//! The core of WatchMe: the domain, the ports to everything outside, and the actors that own what
//! needs one owner. It knows no database, no bus and no web framework; adapters bring those.

pub mod backoff;
pub mod catalogue_sync;
pub mod changes;
pub mod domain;
pub mod entitlement;
pub mod genre_sync;
pub mod housekeeping;
pub mod mailer;
pub mod movie_index;
pub mod movies;
pub mod ports;
pub mod published;
pub mod relay;
pub mod report;
pub mod supervision;
pub mod system;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "test support fails by panicking")]
pub mod testing;
pub mod tmdb_client;
pub mod trending;

pub use system::{Handles, MailPorts, Ports, Settings, start};
