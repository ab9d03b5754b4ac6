//! A wire that can be cut, or swallow what is sent.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Connections of an earlier one have ended.
    epoch: u64,
    refuses: bool,
    swallows: bool,
}

/// Leads from a port of its own to a server. Gone when dropped.
pub struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Wire {
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State::default());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !watched.borrow().refuses
                    && let Ok(server) = TcpStream::connect(&server).await
                {
                    tokio::spawn(connect(client, server, watched.clone()));
                }
            }
        });
        Self { address, state, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and takes no other.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            *state = State { epoch: state.epoch + 1, refuses: true, swallows: false };
        });
    }

    /// From now on nothing arrives, either way, and nobody is told.
    pub fn swallow(&self) {
        self.state.send_modify(|state| state.swallows = true);
    }

    /// All is well again, for new connections.
    pub fn mend(&self) {
        self.state.send_modify(|state| {
            *state = State { epoch: state.epoch + 1, ..State::default() };
        });
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(client: TcpStream, server: TcpStream, mut state: watch::Receiver<State>) {
    let epoch = state.borrow().epoch;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = carry(from_client, to_server, state.clone()) => {}
        () = carry(from_server, to_client, state.clone()) => {}
        _ = state.wait_for(|state| state.epoch != epoch) => {}
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Receiver<State>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let swallows = state.borrow().swallows;
        if !swallows && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
