//! The settings of the way to the service: proxies, browsers, connections.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;
use watchme_actors::domain::Invalid;

use super::{
    parse::{number, wrong},
    source::{Show::Plain, Source},
};

/// Who may connect, and how.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins whose pages a browser lets read answers, such as `https://app.example.com`.
    pub cors_origins: Vec<String>,
    /// Connections that are open at once; more wait to be accepted.
    pub connections: usize,
}

pub(super) fn network(source: &mut Source<'_>) -> Option<NetworkConfig> {
    let proxies = source.get("WATCHME_TRUSTED_PROXIES", None, Plain, |text| list(text, proxy));
    let origins = source.get("WATCHME_CORS_ORIGINS", None, Plain, |text| list(text, origin));
    let connections =
        source.get("WATCHME_CONNECTIONS", Some("25000"), Plain, number(1..=1_000_000));
    Some(NetworkConfig {
        trusted_proxies: proxies.unwrap_or_default(),
        cors_origins: origins.unwrap_or_default(),
        connections: connections?,
    })
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    text.split(',').map(|part| parse(part.trim())).collect()
}

fn proxy(text: &str) -> Result<IpNet, Invalid> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        wrong("must be addresses or networks such as `10.0.0.0/8`, separated by commas")
    })
}

/// As a browser sends it: scheme, host and, where it is not the scheme's own, port.
fn origin(text: &str) -> Result<String, Invalid> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.origin().ascii_serialization() == text =>
        {
            Ok(text.to_owned())
        }
        _ => Err(wrong(
            "must be origins such as `https://app.example.com`, separated by commas, without a path",
        )),
    }
}
