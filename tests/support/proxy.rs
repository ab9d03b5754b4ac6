//! A TCP proxy that can go bad.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// What the proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Hands them on.
    Through,
    /// Takes them and hands nothing on, in either direction. A connection on which this happened
    /// stays so for ever.
    Swallow,
    /// Resets every connection, also new ones.
    Cut,
}

/// Stands before a server; ends with its connections when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Before the server that the URL names.
    pub async fn before(server: &Url) -> Self {
        let upstream = (server.host_str().unwrap().to_owned(), server.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::Sender::new(Mode::Through));
        let sender = Arc::clone(&mode);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(client, upstream.clone(), sender.subscribe()));
            }
        });
        Self { address, mode, accepting }
    }

    /// The same URL, through this proxy.
    pub fn url(&self, server: &Url) -> Url {
        let mut url = server.clone();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url
    }

    /// From now on bytes are handed on, on connections that are made from now on.
    pub fn let_through(&self) {
        self.mode.send_replace(Mode::Through);
    }

    /// From now on nothing comes back, and nothing arrives.
    pub fn swallow(&self) {
        self.mode.send_replace(Mode::Swallow);
    }

    /// Resets every connection and refuses new ones.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut client: TcpStream, upstream: (String, u16), mut mode: watch::Receiver<Mode>) {
    let now = *mode.borrow_and_update();
    match now {
        Mode::Through => {
            let mut server = TcpStream::connect(upstream).await.unwrap();
            let mut bytes = [[0; 16_384]; 2];
            let [up, down] = &mut bytes;
            loop {
                tokio::select! {
                    changed = mode.changed() => match changed.map(|()| *mode.borrow()) {
                        Ok(Mode::Through) => {}
                        Ok(Mode::Swallow) => return swallow(client).await,
                        Ok(Mode::Cut) | Err(_) => return reset(client),
                    },
                    read = client.read(up) => match read {
                        Ok(count) if count > 0 => server.write_all(&up[..count]).await.unwrap(),
                        _ => return,
                    },
                    read = server.read(down) => match read {
                        Ok(count) if count > 0 => {
                            if client.write_all(&down[..count]).await.is_err() {
                                return;
                            }
                        }
                        _ => return,
                    },
                }
            }
        }
        Mode::Swallow => swallow(client).await,
        Mode::Cut => reset(client),
    }
}

/// Until the client gives up. The server's side is gone already, as it is when a network is: the
/// client cannot know.
async fn swallow(mut client: TcpStream) {
    let mut bytes = [0; 16_384];
    while matches!(client.read(&mut bytes).await, Ok(count) if count > 0) {}
}

fn reset(client: TcpStream) {
    // Without waiting for what is unsent, closing sends a reset.
    let _ = client.set_zero_linger();
}
