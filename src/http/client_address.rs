//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::ServiceRequest,
    http::header::{HeaderMap, HeaderName},
};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a request was found to come from.
#[derive(Debug, Clone, Copy)]
struct ClientAddress(IpAddr);

/// The address of the client.
pub(crate) fn client_address(req: &HttpRequest) -> IpAddr {
    let found = req.extensions().get::<ClientAddress>().map(|client| client.0);
    found.unwrap_or_else(|| peer(req))
}

/// Finds out where a request comes from, once for everybody who asks [`client_address`].
pub(crate) fn find(req: &ServiceRequest, proxies: &[IpNet]) -> IpAddr {
    let client = believed(peer(req.request()), req.headers(), proxies);
    req.extensions_mut().insert(ClientAddress(client));
    client
}

/// What counts as one client: a household has a whole /64 of IPv6 to choose its addresses from.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

fn peer(req: &HttpRequest) -> IpAddr {
    req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

/// Each proxy has added whom it was asked by at the end. So from there on: as long as it was one
/// of our proxies that said so, what it said is believed.
fn believed(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    if !is_proxy(&peer) {
        return client;
    }
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
    for entry in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        match parsed(entry) {
            Some(address) => client = address,
            None => return client,
        }
        if !is_proxy(&client) {
            return client;
        }
    }
    client
}

/// An address, with or without a port.
fn parsed(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address =
        bare.parse().or_else(|_| entry.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// Who is believed to ask, of a peer that sends these lines, behind proxies in 10.0.0.0/8 and
    /// at fd00::1.
    fn client(peer: &str, lines: &[&str]) -> String {
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        let mut request = TestRequest::default().peer_addr(peer);
        for line in lines {
            request = request.append_header((X_FORWARDED_FOR, *line));
        }
        let request = request.insert_header(("forwarded", "for=9.9.9.9")).to_srv_request();
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::1/128".parse().unwrap()];
        let found = find(&request, &proxies);
        assert_eq!(client_address(request.request()), found);
        found.to_string()
    }

    #[test]
    fn nobody_but_a_proxy_is_believed() {
        assert_eq!(client("1.2.3.4", &["5.6.7.8"]), "1.2.3.4");
        assert_eq!(client("fd00::2", &["5.6.7.8"]), "fd00::2");
        assert_eq!(client("10.0.0.1", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("::ffff:10.0.0.1", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("fd00::1", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_said_before_the_proxies_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 5.6.7.8, 10.1.1.1"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "5.6.7.8,10.1.1.1", " 10.2.2.2 "]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3", "a proxy that asks");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        for nonsense in ["unknown", "", "1.2.3", "_hidden", "1.2.3.4:99999", "fe80::1%eth0", "ü"] {
            let line = format!("5.6.7.8, {nonsense}, 10.1.1.1");
            assert_eq!(client("10.0.0.1", &[&line]), "10.1.1.1", "{nonsense:?}");
            assert_eq!(client("10.0.0.1", &["5.6.7.8", nonsense]), "10.0.0.1", "{nonsense:?}");
        }
    }

    #[test]
    fn ports_and_mapped_addresses_are_understood() {
        for (sent, found) in [
            ("1.2.3.4:567", "1.2.3.4"),
            ("[2001:db8::1]:5", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:5", "1.2.3.4"),
        ] {
            assert_eq!(client("10.0.0.1", &[sent]), found, "{sent}");
        }
    }

    #[test]
    fn one_client_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("1.2.3.4"), "1.2.3.4");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
