//! How TMDb is reached, and the key that must not be seen.

use std::{fmt, str::FromStr, time::Duration};

use url::Url;
use watchme_actors::domain::Invalid;

use crate::telemetry::Traces;

/// TMDb itself. The version is part of the address.
pub const DEFAULT_TMDB_URL: &str = "https://api.themoviedb.org/3";

/// How TMDb is reached.
#[derive(Clone)]
pub struct TmdbSettings {
    /// Where its API is, the version included; `http` or `https`.
    pub base_url: Url,
    /// The operator's key.
    pub key: TmdbKey,
    /// Language of titles and names, such as `en-US`.
    pub language: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a whole request may take, its body included.
    pub request_timeout: Duration,
    /// A proxy for every request. Without one the environment's proxies are not used either.
    pub proxy: Option<Url>,
    /// Where a span of each request goes.
    pub traces: Option<Traces>,
}

impl TmdbSettings {
    /// English (US), 3 s to connect, 5 s for a request, no proxy, no traces.
    #[must_use]
    pub fn new(base_url: Url, key: TmdbKey) -> Self {
        Self {
            base_url,
            key,
            language: "en-US".to_owned(),
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(5),
            proxy: None,
            traces: None,
        }
    }
}

impl fmt::Debug for TmdbSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address can carry a name and a password, or a token in its query.
        let place = |url: &Url| {
            format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        };
        f.debug_struct("TmdbSettings")
            .field("base_url", &place(&self.base_url))
            .field("key", &self.key)
            .field("language", &self.language)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("proxy", &self.proxy.as_ref().map(place))
            .finish()
    }
}

/// A key for TMDb: a v3 key (32 hexadecimal digits) or a v4 read token (three parts with dots
/// between). Shown masked wherever it is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TmdbKey(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    V3(String),
    V4(String),
}

impl TmdbKey {
    /// The v3 key, which goes into the query.
    pub(super) fn query_value(&self) -> Option<&str> {
        match &self.0 {
            Kind::V3(key) => Some(key),
            Kind::V4(_) => None,
        }
    }

    /// The v4 token, which goes into a header.
    pub(super) fn bearer_token(&self) -> Option<&str> {
        match &self.0 {
            Kind::V3(_) => None,
            Kind::V4(token) => Some(token),
        }
    }

    /// The text without the key, should somebody have echoed it.
    pub(super) fn redact(&self, text: &str) -> String {
        let (Kind::V3(secret) | Kind::V4(secret)) = &self.0;
        text.replace(secret, "***")
    }
}

impl FromStr for TmdbKey {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let text = raw.trim();
        let is_part = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
        };
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(Kind::V3(text.to_owned())))
        } else if text.split('.').count() == 3 && text.split('.').all(is_part) {
            Ok(Self(Kind::V4(text.to_owned())))
        } else {
            Err(Invalid::new(
                "not_a_tmdb_key",
                "must be a TMDb v3 key (32 hexadecimal digits) or a v4 read access token",
            ))
        }
    }
}

impl fmt::Display for TmdbKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::V3(_) => "v3 key ***",
            Kind::V4(_) => "v4 token ***",
        })
    }
}

impl fmt::Debug for TmdbKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TmdbKey({self})")
    }
}

/// The settings cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TmdbSetupError {
    /// The base address is not one of an HTTP server.
    #[error("the base address of TMDb must begin with http:// or https://")]
    BaseUrl,
    /// The proxy's address is not one.
    #[error("the address of the proxy to TMDb cannot be used")]
    Proxy,
    /// The HTTP client cannot be made, for instance because the system has no root certificates.
    #[error("the HTTP client for TMDb cannot be made: {0}")]
    Client(String),
}
