//! How NATS is reached.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;
use watchme_actors::domain::Invalid;

/// The prefix of every subject and stream, so that several installations can share a server: 1 to
/// 32 lower-case letters, digits, `-` and `_`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    const DEFAULT: &str = "watchme";

    pub(super) fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let valid = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        if (1..=32).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(valid)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "not_a_namespace",
                "must be 1 to 32 lower-case letters, digits, - and _, beginning with a letter",
            ))
        }
    }
}

/// How NATS is reached. Addresses are shown without their credentials.
#[derive(Clone)]
pub struct NatsSettings {
    /// Where the servers are, `nats://` or `tls://`, at least one. `user:password@` or `token@`
    /// in the first one that has it counts for all.
    pub servers: Vec<Url>,
    /// The prefix of subjects and streams.
    pub namespace: Namespace,
    /// A file of credentials (a JWT with its seed), as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// A file of root certificates (PEM), instead of the system's.
    pub root_certificates: Option<PathBuf>,
    /// On how many servers of a cluster each stream is kept, 1 to 5.
    pub stream_replicas: usize,
    /// The size of each stream in bytes from which on its oldest messages go; what the server's
    /// store holds when `None`. The server sets this much aside.
    pub stream_max_bytes: Option<i64>,
}

impl NatsSettings {
    /// Servers, separated by commas; the default namespace, no credentials but those of the
    /// addresses, one replica, no limit of bytes.
    ///
    /// # Errors
    /// [`NatsError::Address`].
    pub fn new(servers: &str) -> Result<Self, NatsError> {
        let servers = servers.split(',').map(str::trim).map(address).collect::<Result<_, _>>()?;
        Ok(Self {
            servers,
            namespace: Namespace::default(),
            credentials: None,
            root_certificates: None,
            stream_replicas: 1,
            stream_max_bytes: None,
        })
    }

    /// The addresses without credentials.
    pub(super) fn places(&self) -> Vec<String> {
        let place = |url: &Url| {
            let (host, port) = place_of(url);
            format!("{}://{host}:{port}", url.scheme())
        };
        self.servers.iter().map(place).collect()
    }

    /// Host and port of the server that is named first.
    pub(super) fn first(&self) -> Option<(String, u16)> {
        self.servers.first().map(place_of)
    }
}

fn place_of(url: &Url) -> (String, u16) {
    (url.host_str().unwrap_or_default().to_owned(), url.port().unwrap_or(4222))
}

fn address(text: &str) -> Result<Url, NatsError> {
    let text = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
    Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "nats" | "tls"))
        .filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
        .ok_or(NatsError::Address)
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettings")
            .field("servers", &self.places())
            .field("namespace", &self.namespace)
            .field("credentials", &self.credentials)
            .field("root_certificates", &self.root_certificates)
            .field("stream_replicas", &self.stream_replicas)
            .field("stream_max_bytes", &self.stream_max_bytes)
            .finish()
    }
}

/// NATS cannot be used as it was set up. That it is away is no such error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NatsError {
    /// An address is not one of NATS.
    #[error("an address of NATS must begin with nats:// or tls:// and name a host")]
    Address,
    /// The file of credentials cannot be used.
    #[error("the credentials for NATS cannot be read: {0}")]
    Credentials(String),
    /// The client cannot be made.
    #[error("the client of NATS cannot be made: {0}")]
    Client(String),
}
