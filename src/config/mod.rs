//! The settings: the environment first, then a TOML file, then the default.

mod accounts;
mod engines;
mod network;
mod parse;
mod secret;
mod source;
#[cfg(test)]
mod tests;
mod traces;

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;
use watchme_actors::domain::{Email, EntitlementMode};

pub use accounts::{AccountsConfig, MailConfig, PasswordConfig, SessionConfig, ThrottleConfig};
pub use engines::{Database, MongoConfig, NatsConfig, SqlConfig};
pub use network::NetworkConfig;
pub use secret::Secret;
pub use source::Origin;
pub use traces::TraceConfig;

use source::Source;

/// Who may create packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageCreators {
    /// Only admins.
    Admin,
    /// Everybody; each edits those that they created.
    Users,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// How TMDb is reached.
#[derive(Debug, Clone)]
pub struct TmdbConfig {
    /// v3 key or v4 read token; without it the built-in demo catalogue serves.
    pub api_key: Option<Secret>,
    /// With the version as its last part, without a slash at the end.
    pub base_url: Url,
    /// What poster and backdrop paths are appended to, with their size.
    pub image_base_url: Url,
    /// Such as `en-US`.
    pub language: String,
    /// An outbound proxy; may carry credentials.
    pub proxy: Option<Secret>,
    /// Requests a second, from 1 to 1000.
    pub rate: u32,
}

/// Everything that an operator can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port; port 0 picks one.
    pub listen: SocketAddr,
    /// Worker threads for HTTP; one for each core when not set.
    pub workers: Option<usize>,
    /// SQLite files and generated secrets.
    pub data_dir: PathBuf,
    /// Where the truth is stored.
    pub sql: SqlConfig,
    /// Where documents are stored; SQLite in the data folder when `None`.
    pub mongodb: Option<MongoConfig>,
    /// What carries events; the process itself when `None`.
    pub nats: Option<NatsConfig>,
    /// How TMDb is reached.
    pub tmdb: TmdbConfig,
    /// Signs access tokens, at least 32 bytes; when not set (the embedded way only), one is made
    /// and kept in the data folder.
    pub jwt_secret: Option<Secret>,
    /// Verifies access tokens only, at least 32 bytes.
    pub jwt_secret_previous: Option<Secret>,
    /// Passwords, sessions, mails and throttles.
    pub accounts: AccountsConfig,
    /// Who may connect, and how.
    pub network: NetworkConfig,
    /// Address of the first admin.
    pub admin_email: Option<Email>,
    /// Password of the first admin.
    pub admin_password: Option<Secret>,
    /// Between two synchronisations of the genres.
    pub genre_sync_interval: Duration,
    /// For how long details and encoded pages are remembered.
    pub movie_ttl: Duration,
    /// Pages per genre that the daily sync fetches, from 1 to 500.
    pub catalogue_pages: u32,
    /// Who may create packages.
    pub package_creators: PackageCreators,
    /// How many of a movie's genres have to be permitted.
    pub entitlement_mode: EntitlementMode,
    /// Whether users subscribe themselves.
    pub self_service: bool,
    /// Where traces go.
    pub traces: TraceConfig,
    /// Which log lines are written.
    pub log_filter: String,
    /// How they look; for people on a terminal, else JSON, when not set.
    pub log_format: Option<LogFormat>,
    settings: Vec<Shown>,
}

/// One setting as `watchme config` shows it.
#[derive(Debug, Clone)]
struct Shown {
    variable: &'static str,
    value: Option<String>,
    origin: Origin,
}

/// Every setting that is wrong, so that they can be put right at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wrong settings:\n{}", .0.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// The settings of this process: its environment and `watchme.toml` in its working directory
    /// (or the file that `WATCHME_CONFIG` names).
    ///
    /// # Errors
    /// Names every setting that is wrong and what it accepts.
    pub fn from_process() -> Result<Self, ConfigError> {
        Self::load(&|name| std::env::var(name).ok(), &|path| std::fs::read_to_string(path))
    }

    /// The settings out of an environment and a way to read a file.
    ///
    /// # Errors
    /// Names every setting that is wrong and what it accepts.
    pub fn load(
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut source = Source::open(env, read);
        let config = parse::config(&mut source);
        let (settings, errors) = source.finish();
        match config {
            Some(config) if errors.is_empty() => Ok(Self { settings, ..config }),
            _ => Err(ConfigError(errors)),
        }
    }

    /// Whether everything is kept in the data folder and the process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        !matches!(self.sql.database, Database::MySql(_))
            && self.mongodb.is_none()
            && self.nats.is_none()
    }

    /// Whether it is more than a trial on one machine: then it refuses to start insecurely.
    #[must_use]
    pub fn is_production(&self) -> bool {
        !self.is_embedded()
    }

    /// Whether nothing is kept here, so that several replicas can serve together.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        matches!(self.sql.database, Database::MySql(_))
            && self.mongodb.is_some()
            && self.nats.is_some()
    }

    /// What is in force and where each value comes from, one setting a line, secrets masked.
    #[must_use]
    pub fn print(&self) -> String {
        self.settings.iter().map(|setting| format!("{setting}\n")).collect()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("(not set)");
        write!(f, "{:<32} {:<48} # {}", self.variable, value, self.origin)
    }
}
