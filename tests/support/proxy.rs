//! A proxy on loopback that can delay, cut and swallow what goes through it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use url::Url;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// They go through.
    Open,
    /// They go through, every piece this much later.
    Slow(Duration),
    /// They stay open and nothing comes through, for good: a connection that was there stays silent
    /// when the line is open again, as after a failover, and only new ones go through.
    Swallowed,
    /// They are reset, and new ones are as soon as they are made.
    Cut,
}

/// The line, and how often it failed: what a connection missed in between counts too.
#[derive(Debug, Clone, Copy)]
struct State {
    line: Line,
    swallows: u32,
    cuts: u32,
}

/// Stands before one server. Dropping it cuts every connection.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Before the server on this port of loopback. It has not to be there yet.
    pub async fn before(port: u16) -> Self {
        Self::to(format!("127.0.0.1:{port}")).await
    }

    /// Before the server that a URL names.
    pub async fn before_url(server: &Url) -> Self {
        let port = server.port().unwrap_or_else(|| match server.scheme() {
            "mysql" => 3306,
            "mongodb" => 27017,
            "nats" => 4222,
            other => panic!("no port is usual for {other}"),
        });
        Self::to(format!("{}:{port}", server.host_str().unwrap())).await
    }

    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State { line: Line::Open, swallows: 0, cuts: 0 });
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let born = *seen.borrow();
                tokio::spawn(connection(client, server.clone(), born, seen.clone()));
            }
        });
        Self { address, state, accepting }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The same URL, through this proxy.
    pub fn url(&self, server: &Url) -> Url {
        let mut url = server.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port())).unwrap();
        url
    }

    /// From now on.
    pub fn set(&self, line: Line) {
        self.state.send_modify(|state| {
            state.line = line;
            match line {
                Line::Swallowed => state.swallows += 1,
                Line::Cut => state.cuts += 1,
                Line::Open | Line::Slow(_) => {}
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Line::Cut);
        self.accepting.abort();
    }
}

async fn connection(
    mut client: TcpStream,
    server: String,
    born: State,
    mut state: watch::Receiver<State>,
) {
    let seen = state.clone();
    let ended = async {
        match born.line {
            Line::Cut => std::future::pending().await,
            Line::Swallowed => silence(&mut client).await,
            Line::Open | Line::Slow(_) => {
                let mut server = TcpStream::connect(server).await?;
                through(&mut client, &mut server, born, &seen).await
            }
        }
    };
    let cut = async {
        let is_cut = |now: &State| born.line == Line::Cut || now.cuts != born.cuts;
        let _ = state.wait_for(is_cut).await;
    };
    tokio::select! {
        _ = ended => {}
        () = cut => {
            // Without lingering, closing resets.
            let _ = client.set_zero_linger();
        }
    }
}

/// Until one side ends; a client that has been left in silence does not hear of the server's end.
async fn through(
    client: &mut TcpStream,
    server: &mut TcpStream,
    born: State,
    state: &watch::Receiver<State>,
) -> io::Result<()> {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let silent = || state.borrow().swallows != born.swallows;
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ended = carry(from_client, to_server, born, state) => return ended,
            ended = carry(from_server, to_client, born, state) => if !silent() { return ended },
        }
    }
    silence(client).await
}

/// Drops what comes, until the client gives up.
async fn silence(client: &mut TcpStream) -> io::Result<()> {
    tokio::io::copy(client, &mut tokio::io::sink()).await.map(drop)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    born: State,
    state: &watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let now = *state.borrow();
        if let Line::Slow(delay) = now.line {
            sleep(delay).await;
        }
        let lost = state.borrow().swallows != born.swallows;
        if !lost {
            to.write_all(&buffer[..read]).await?;
        }
    }
}
