//! What can go wrong at a start or a stop.

use std::{io, net::SocketAddr};

use watchme_actors::{domain::Invalid, ports::StoreError};

use crate::{
    adapters::{
        bus::NatsError,
        metadata::{DemoError, TmdbSetupError},
    },
    auth::PasswordError,
    commands::TaskError,
    data_dir::DataDirError,
    first_start::FirstStartError,
    telemetry::TelemetryError,
};

/// The service could not start, or not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting is wrong.
    #[error("{variable} {reason}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What it accepts.
        reason: Invalid,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The demo catalogue cannot be read.
    #[error("the demo catalogue: {0}")]
    Demo(#[from] DemoError),
    /// The client for TMDb cannot be made.
    #[error("the client for TMDb: {0}")]
    Tmdb(#[from] TmdbSetupError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// What a first start makes could not be made.
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    /// Metrics could not be registered.
    #[error("the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Traces cannot be exported.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; WATCHME_LISTEN names the address and port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// NATS cannot be used as it was set up.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// Another instance works on the same MySQL, and one of the two keeps things to itself.
    #[error(
        "another instance works on this MySQL database; several need DATABASE_URL=mysql://…, MONGODB_URL and NATS_URL each"
    )]
    NotAlone,
    /// Several replicas have to know the same secret.
    #[error("JWT_SECRET must be set")]
    NoSecret,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A task of the operator's was not done.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A store was not reached, so that it could not be brought to this version.
    #[error("{0} was not reached and is not at this version")]
    NotMigrated(&'static str),
    /// The service does not answer, or is not ready.
    #[error("not ready: {0}")]
    NotReady(String),
}
