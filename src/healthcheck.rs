//! `watchme healthcheck`: what a container's runtime asks of the service beside it.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{app::AppError, config::Config};

/// Asks the service on this machine whether it is ready.
///
/// # Errors
/// `NotReady`.
pub async fn run(config: &Config) -> Result<(), AppError> {
    let url = format!("http://{}/readyz", local(config.listen));
    let not_ready = |error: reqwest::Error| AppError::NotReady(error.to_string());
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build()
        .map_err(not_ready)?;
    client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(not_ready)?;
    Ok(())
}

/// The address to reach a listener at from the same machine: one on every address is on loopback.
fn local(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match address {
        SocketAddr::V4(_) if address.ip().is_unspecified() => {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        SocketAddr::V6(_) if address.ip().is_unspecified() => {
            address.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    address
}
