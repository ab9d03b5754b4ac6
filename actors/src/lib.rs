//! The core of WatchMe: the domain, the ports to everything outside, and the actors that own what
//! needs one owner. It knows no database, no bus and no web framework; adapters bring those.

pub mod domain;
pub mod ports;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "test support fails by panicking")]
pub mod testing;
