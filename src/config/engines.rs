//! The settings of the engines: where SQL, documents and events are kept.

use std::{path::PathBuf, time::Duration};

use watchme_actors::domain::Invalid;

use super::{
    Secret,
    parse::{duration, number, url, wrong},
    source::{Show, Source},
};

/// Where accounts, packages, subscriptions and marks are stored.
#[derive(Debug, Clone)]
pub enum Database {
    /// SQLite in the data folder.
    Embedded,
    /// SQLite in a file of one's own choice.
    Sqlite(PathBuf),
    /// MySQL; the URL may carry a password.
    MySql(Secret),
}

/// How SQL is used.
#[derive(Debug, Clone)]
pub struct SqlConfig {
    /// Where it is.
    pub database: Database,
    /// Connections to MySQL, from 1 to 1000.
    pub connections: u32,
    /// How long a request waits for one of them, within the 2 s that a whole call to MySQL has.
    pub acquire_timeout: Duration,
}

/// How MongoDB is used.
#[derive(Debug, Clone)]
pub struct MongoConfig {
    /// With the database as its path; may carry a password.
    pub url: Secret,
    /// Connections, from 1 to 1000.
    pub connections: u32,
    /// How long a request waits for it, for a server to be selected as well.
    pub timeout: Duration,
}

/// How NATS is used.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// One server or several, separated by commas; may carry a token or a password.
    pub url: Secret,
    /// What subjects and streams begin with.
    pub namespace: String,
    /// A file of credentials, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// A file of root certificates (PEM), instead of the system's.
    pub root_certificates: Option<PathBuf>,
    /// Bytes of each stream beyond which its oldest messages go; as much as the server has when
    /// `None`.
    pub max_bytes: Option<i64>,
    /// Copies that JetStream keeps of each stream, from 1 to 5.
    pub replicas: usize,
}

/// All three.
pub(super) struct Engines {
    pub(super) sql: SqlConfig,
    pub(super) mongodb: Option<MongoConfig>,
    pub(super) nats: Option<NatsConfig>,
}

impl Engines {
    pub(super) fn is_embedded(&self) -> bool {
        !matches!(self.sql.database, Database::MySql(_))
            && self.mongodb.is_none()
            && self.nats.is_none()
    }
}

pub(super) fn engines(source: &mut Source<'_>) -> Option<Engines> {
    use Show::{Masked, Plain};
    let database = source.get("DATABASE_URL", Some("sqlite in the data folder"), Masked, |text| {
        if text == "sqlite in the data folder" { Ok(Database::Embedded) } else { database(text) }
    });
    let sql_connections =
        source.get("WATCHME_SQL_CONNECTIONS", Some("16"), Plain, number(1..=1_000));
    let acquire_timeout = source.get(
        "WATCHME_SQL_ACQUIRE_TIMEOUT",
        Some("2s"),
        Plain,
        duration(Duration::from_millis(100)..=Duration::from_secs(2)),
    );
    let mongodb = source.get("MONGODB_URL", None, Masked, |text| {
        // Several hosts are no URL to others: the driver reads it.
        let known = ["mongodb://", "mongodb+srv://"].iter().any(|scheme| text.starts_with(scheme));
        known
            .then(|| Secret::new(text))
            .ok_or_else(|| wrong("must be a URL that begins with mongodb:// or mongodb+srv://"))
    });
    let mongodb_connections =
        source.get("WATCHME_MONGODB_CONNECTIONS", Some("32"), Plain, number(1..=1_000));
    let mongodb_timeout = source.get(
        "WATCHME_MONGODB_TIMEOUT",
        Some("2s"),
        Plain,
        duration(Duration::from_millis(100)..=Duration::from_secs(30)),
    );
    let nats = source.get("NATS_URL", None, Masked, |text| {
        for server in text.split(',') {
            url(server.trim(), &["nats", "tls"])?;
        }
        Ok(Secret::new(text))
    });
    let namespace =
        source.get("WATCHME_NATS_NAMESPACE", Some("watchme"), Plain, |text| Ok(text.to_owned()));
    let file = |text: &str| Ok(PathBuf::from(text));
    let credentials = source.get("WATCHME_NATS_CREDENTIALS", None, Plain, file);
    let root_certificates = source.get("WATCHME_NATS_CA", None, Plain, file);
    let max_bytes = source.get(
        "WATCHME_NATS_MAX_BYTES",
        None,
        Plain,
        number(1_000_000..=1_000_000_000_000_000),
    );
    let replicas = source.get("WATCHME_NATS_REPLICAS", Some("1"), Plain, number(1..=5));
    Some(Engines {
        sql: SqlConfig {
            database: database?,
            connections: sql_connections?,
            acquire_timeout: acquire_timeout?,
        },
        mongodb: match mongodb {
            Some(url) => Some(MongoConfig {
                url,
                connections: mongodb_connections?,
                timeout: mongodb_timeout?,
            }),
            None => None,
        },
        nats: match nats {
            Some(url) => Some(NatsConfig {
                url,
                namespace: namespace?,
                credentials,
                root_certificates,
                max_bytes,
                replicas: replicas?,
            }),
            None => None,
        },
    })
}

fn database(text: &str) -> Result<Database, Invalid> {
    match text.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Ok(Database::Sqlite(PathBuf::from(path))),
        Some(("mysql", _)) => match url(text, &["mysql"])?.path().trim_matches('/') {
            "" => Err(wrong("must name the database, as in `mysql://user@host/watchme`")),
            _ => Ok(Database::MySql(Secret::new(text))),
        },
        _ => Err(wrong("must be `mysql://user:password@host/database` or `sqlite://path`")),
    }
}
