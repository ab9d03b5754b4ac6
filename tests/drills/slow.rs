//! Peers that send a byte a second: heads, bodies, and second requests on a kept connection.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    pressure::{Readers, reader},
    size::Size,
    world::World,
};

/// By then each of them is given up.
const GIVEN_UP: Duration = Duration::from_secs(10);
const P99: Duration = Duration::from_millis(100);
const FIRST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &str =
    "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

/// What a peer sends at once, and what it then sends slowly.
#[derive(Clone, Copy)]
enum Kind {
    Head,
    Sized,
    Chunked,
    Second,
}

impl Kind {
    fn at_once(self) -> String {
        match self {
            Self::Head => String::new(),
            Self::Sized => format!("{POST}content-length: 1000\r\n\r\n"),
            Self::Chunked => format!("{POST}transfer-encoding: chunked\r\n\r\n"),
            Self::Second => FIRST.to_owned(),
        }
    }

    fn slowly(self) -> String {
        match self {
            Self::Head | Self::Second => format!("GET /livez HTTP/1.1\r\nx: {}", "x".repeat(100)),
            Self::Sized => " ".repeat(100),
            Self::Chunked => "1\r\n \r\n".repeat(20),
        }
    }
}

/// Hundreds of them, again and again, while others read.
pub async fn peers(size: Size) -> String {
    let (heads, bodies, seconds) = size.pick((50, 20, 20), (500, 200, 200));
    let span = Duration::from_secs(size.pick(12, 60));
    let world = World::embedded().await;
    let mut replicas = world.replicas(1).await;
    let user = reader(&replicas).await;
    let address = replicas[0].base().replace("http://", "");
    let kinds = [
        (Kind::Head, heads),
        (Kind::Sized, bodies / 2),
        (Kind::Chunked, bodies / 2),
        (Kind::Second, seconds),
    ];
    let readers = Readers::start(&user);
    let times = Arc::<Mutex<Vec<Duration>>>::default();
    let end = Instant::now() + span;
    let mut peers = Vec::new();
    for (kind, number) in kinds {
        for _ in 0..number {
            let (address, times) = (address.clone(), Arc::clone(&times));
            peers.push(tokio::spawn(async move {
                while Instant::now() < end {
                    let time = held(&address, kind).await;
                    times.lock().unwrap().push(time);
                }
            }));
        }
    }
    for peer in peers {
        peer.await.unwrap();
    }
    let (reads, p99) = readers.end().await;
    replicas[0].terminate();
    let times = times.lock().unwrap();
    let longest = times.iter().max().copied().unwrap_or_default();
    assert!(p99 < P99, "the 99th percentile of {reads} reads is {p99:?}");
    format!(
        "{} slow connections, each given up within {:.1} s; {reads} reads beside them, p99 {:.1} ms",
        times.len(),
        longest.as_secs_f64(),
        p99.as_secs_f64() * 1e3
    )
}

/// For how long a peer of a kind holds a connection.
async fn held(address: &str, kind: Kind) -> Duration {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(kind.at_once().as_bytes()).await.unwrap();
    if let Kind::Second = kind {
        let mut answer = [0; 4096];
        let read = timeout(GIVEN_UP, reading.read(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 204"), "the first request is answered");
    }
    let began = Instant::now();
    let sending = async {
        for byte in kind.slowly().bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        // A reset is an end, too.
        end = timeout(GIVEN_UP, reading.read_to_end(&mut answer)) => {
            assert!(end.is_ok(), "a connection was held for {GIVEN_UP:?}");
        }
        () = sending => unreachable!("it sends until it is stopped"),
    }
    began.elapsed()
}
