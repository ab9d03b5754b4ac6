//! Private MySQL, MongoDB and NATS servers for tests and drills.
//!
//! [`shared`] takes the server that the environment names, else starts one;
//! [`private`] always starts one, which can be killed, started again on the same
//! port and robbed of its data. A server is a container if a Docker engine answers,
//! else processes of this host out of a cache of installed engines.
//!
//! [`Prometheus`] is no engine: it watches a service, natively, so that it reaches loopback.

mod cache;
mod command;
mod debian;
mod docker;
mod engine;
mod error;
mod golang;
mod guard;
mod instance;
mod mongodb;
mod mysql;
mod native;
mod nats;
mod port;
mod probe;
mod process;
mod prometheus;
mod python;
mod shared;
mod user;
pub mod versions;

pub use engine::Engine;
pub use error::EngineError;
pub use guard::Guard;
pub use instance::{Instance, Options, install, private};
pub use prometheus::{Prometheus, promtool};
pub use python::python;
pub use shared::{SKIPS, Shared, in_ci, note_skip, private_or_skip, shared, url_or_skip};
