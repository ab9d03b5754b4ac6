//! The three engines and their names.

use std::fmt;

/// An engine that the service runs on when several replicas share its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The accounts and the watch log.
    MySql,
    /// The documents. Natively it is FerretDB, which speaks MongoDB's protocol.
    MongoDb,
    /// The bus: NATS with JetStream.
    Nats,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::MySql, Self::MongoDb, Self::Nats];

    /// The environment variable that names a server to use instead of a private one.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::MySql => "WATCHME_TEST_MYSQL_URL",
            Self::MongoDb => "WATCHME_TEST_MONGODB_URL",
            Self::Nats => "WATCHME_TEST_NATS_URL",
        }
    }

    /// A name for folders and containers.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MongoDb => "mongodb",
            Self::Nats => "nats",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MongoDb => "MongoDB",
            Self::Nats => "NATS",
        })
    }
}
