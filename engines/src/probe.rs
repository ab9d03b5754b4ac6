//! Whether a server answers, asked in its own protocol: a port that takes
//! connections may belong to a proxy in front of a server that is still starting.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(2);

/// A question to a server; true when it is ready.
pub(crate) type Probe = Box<dyn Fn() -> bool + Send + Sync>;

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// MySQL greets with its protocol version, 10; an error packet has 255 there.
pub(crate) fn mysql(port: u16) -> Probe {
    Box::new(move || {
        let greeting = || -> io::Result<[u8; 5]> {
            let mut head = [0; 5];
            connect(port)?.read_exact(&mut head)?;
            Ok(head)
        };
        greeting().is_ok_and(|head| head[4] == 10)
    })
}

/// MongoDB answers `ping`, which FerretDB passes on to PostgreSQL, and says that
/// it takes writes.
pub(crate) fn mongodb(port: u16) -> Probe {
    Box::new(move || {
        let ask = || -> io::Result<bool> {
            let mut stream = connect(port)?;
            let pong = converse(&mut stream, "ping")?;
            let hello = converse(&mut stream, "hello")?;
            Ok(contains(&pong, b"\x01ok\0\0\0\0\0\0\0\xf0\x3f")
                && contains(&hello, b"\x08isWritablePrimary\0\x01"))
        };
        ask().unwrap_or(false)
    })
}

/// NATS says on its monitoring port that it is healthy, JetStream included.
pub(crate) fn nats(monitoring: u16) -> Probe {
    http(monitoring, "/healthz")
}

/// Prometheus says that it takes queries.
pub(crate) fn prometheus(port: u16) -> Probe {
    http(port, "/-/ready")
}

/// 200 on this path.
fn http(port: u16, path: &'static str) -> Probe {
    Box::new(move || {
        let ask = || -> io::Result<bool> {
            let mut stream = connect(port)?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
            let mut head = [0; 12];
            stream.read_exact(&mut head)?;
            Ok(head.ends_with(b" 200"))
        };
        ask().unwrap_or(false)
    })
}

/// Sends `{<command>: 1, $db: "admin"}` and gives the reply as it came.
fn converse(stream: &mut TcpStream, command: &str) -> io::Result<Vec<u8>> {
    stream.write_all(&message(command))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let rest = u64::from(u32::from_le_bytes(length)).saturating_sub(4).min(1 << 20);
    let mut reply = Vec::new();
    stream.take(rest).read_to_end(&mut reply)?;
    Ok(reply)
}

fn message(command: &str) -> Vec<u8> {
    const OP_MSG: u32 = 2013;
    let mut fields = vec![0x10];
    fields.extend_from_slice(command.as_bytes());
    fields.extend_from_slice(b"\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0");
    let document = u32::try_from(fields.len() + 4).unwrap_or_default();
    let mut message = Vec::new();
    for number in [16 + 5 + document, 1, 0, OP_MSG, 0] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&document.to_le_bytes());
    message.extend_from_slice(&fields);
    message
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A server that says one thing to the first who connects.
    fn says(bytes: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(bytes).unwrap();
            let _ = stream.read(&mut [0; 512]);
        });
        port
    }

    #[test]
    fn only_a_greeting_of_protocol_10_is_a_ready_mysql() {
        assert!(mysql(says(b"\x4a\0\0\0\x0a9.7.4"))());
        assert!(!mysql(says(b"\x4a\0\0\0\xff\x10\x04Too many connections"))());
        assert!(!mysql(says(b""))());
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert!(nats(says(b"HTTP/1.0 200 OK\r\n\r\n{}"))());
        assert!(!nats(says(b"HTTP/1.0 503 Service Unavailable\r\n\r\n"))());
    }

    #[test]
    fn a_message_tells_its_own_lengths() {
        let ping = message("ping");
        let at = |from: usize| u32::from_le_bytes(ping[from..from + 4].try_into().unwrap());
        assert_eq!(usize::try_from(at(0)).unwrap(), ping.len());
        assert_eq!(usize::try_from(at(21)).unwrap(), ping.len() - 21);
    }

    #[test]
    fn nobody_on_the_port_is_not_ready() {
        let port = crate::port::free().unwrap();
        assert!(!mysql(port)() && !mongodb(port)() && !nats(port)());
    }
}
