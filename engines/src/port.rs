//! Ports of one's own.

use std::{
    hash::BuildHasher,
    hash::RandomState,
    net::{Ipv4Addr, TcpListener},
};

use crate::error::EngineError;

/// Below the range that outgoing connections take their ports from: otherwise one
/// of them could hold the port of an engine that is down when it comes back.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS: u64 = 200;

/// A port on loopback that nobody listens on now.
pub(crate) fn free() -> Result<u16, EngineError> {
    let random = RandomState::new();
    let span = u64::from(RANGE.end - RANGE.start);
    (0..ATTEMPTS)
        .filter_map(|attempt| u16::try_from(random.hash_one(attempt) % span).ok())
        .map(|offset| RANGE.start + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| EngineError::Host(format!("no free port among {RANGE:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on_and_outgoing_connections_never_take_it() {
        let port = free().unwrap();
        assert!(RANGE.contains(&port));
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
