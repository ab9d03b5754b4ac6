//! A stand-in for TMDb: a real HTTP server that speaks its wire format, over the facts of the demo
//! catalogue, and that misbehaves when told to.
//!
//! It runs on a thread of its own, so that any test runtime can talk to it, and stops when it is
//! dropped.

mod catalogue;
mod faults;
mod record;
mod routes;

use std::{
    any::Any,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, ServerHandle},
    middleware::Compress,
    rt, web,
};
use tokio::net::TcpSocket;

pub use catalogue::{Film, TmdbCatalogue};
pub use record::{SeenRequest, highest_rate};

use routes::Shared;

/// The v3 key that the double accepts.
pub const V3_KEY: &str = "0123456789abcdef0123456789abcdef";
/// The v4 read token that the double accepts.
pub const V4_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ0ZXN0In0.c2lnbmF0dXJlLW9mLWEtdGVzdA";

/// How the double answers; may be changed while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// As TMDb documents it.
    Normal,
    /// Every request is one too many: 429 with code 25 and this `Retry-After`, if any.
    Limited {
        /// Seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// As documented, with a limit: requests beyond it within any second get a 429.
    RateLimited {
        /// Accepted requests in a second.
        per_second: usize,
        /// As above.
        retry_after: Option<String>,
    },
    /// As documented, after this time.
    Slow(Duration),
    /// Connections are accepted and dropped without an answer.
    Dead,
    /// This status with TMDb's error body.
    Status(u16),
    /// A web page with this status, as an intermediary would send it.
    Html(u16),
    /// The connection breaks in the middle of the body.
    HalfBody,
    /// The body ends in the middle, its length being right.
    Truncated,
    /// This status and body, whatever is asked.
    Raw(u16, String),
    /// As many zero bytes, compressed when the client allows that.
    Huge(usize),
    /// A redirect to this address.
    Redirect(String),
    /// Lists whose rows have nulls, missing fields, wrong types and unknown genres, one in each
    /// of the first rows (see [`DAMAGED_ROWS`] and [`UNREADABLE_ROWS`]).
    WrongFields,
    /// Some genre names are blank in every language but English.
    BlankGenreNames,
}

/// How many rows of a page [`Behaviour::WrongFields`] damages.
pub const DAMAGED_ROWS: usize = faults::DAMAGED_ROWS;
/// How many of those have no valid id or no title.
pub const UNREADABLE_ROWS: usize = faults::UNREADABLE_ROWS;

/// The running double.
pub struct TmdbDouble {
    shared: Arc<Shared>,
    address: String,
    server: Option<(ServerHandle, thread::JoinHandle<()>)>,
    /// Bound to the address and never listening: whoever connects after the end is refused, and no
    /// other double is given the port.
    _reserved: TcpSocket,
}

impl TmdbDouble {
    /// Starts over the facts of the demo catalogue.
    pub async fn start() -> Self {
        Self::start_with(TmdbCatalogue::demo()).await
    }

    /// Starts over another catalogue, for instance [`TmdbCatalogue::generated`].
    pub async fn start_with(catalogue: TmdbCatalogue) -> Self {
        let (listener, reserved) = listen();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::new(catalogue));
        let (send_handle, handle) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            rt::System::new().block_on(async move {
                let connected = Arc::clone(&served);
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(web::Data::from(Arc::clone(&served)))
                        .wrap(Compress::default())
                        .default_service(web::to(routes::answer))
                })
                .workers(1)
                .disable_signals()
                .on_connect(move |connection, extensions| {
                    connected.count_connection();
                    keep_connection(connection, extensions);
                })
                .listen(listener)
                .unwrap()
                .run();
                send_handle.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = handle.recv().unwrap();
        Self { shared, address, server: Some((handle, thread)), _reserved: reserved }
    }

    /// The base address, the version included, as TMDb's has it.
    pub fn url(&self) -> url::Url {
        format!("http://{}/3", self.address).parse().unwrap()
    }

    /// Answers in another way from the next request on.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared.set(behaviour);
    }

    /// Changes what TMDb knows: movies changed or removed, genres renamed, dropped or added.
    pub fn edit(&self, change: impl FnOnce(&mut TmdbCatalogue)) {
        self.shared.edit(change);
    }

    /// Every request so far, refused ones included, in order.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.requests()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.forget_requests();
    }

    /// The most requests that came within any one second.
    pub fn highest_rate(&self) -> usize {
        highest_rate(&self.requests())
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Stops: from now on connections are refused.
    pub fn stop(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            // The command is sent at once; the future only waits for it to be done, as the join
            // does.
            drop(handle.stop(false));
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the double's thread must not panic");
            }
        }
    }
}

impl Drop for TmdbDouble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A listener on a free port, and what keeps that port when it has closed.
fn listen() -> (TcpListener, TcpSocket) {
    let bind = |port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, port).into()).unwrap();
        socket
    };
    let reserved = bind(0);
    let listening = bind(reserved.local_addr().unwrap().port());
    (listening.listen(1_024).unwrap().into_std().unwrap(), reserved)
}

/// Keeps a second handle of a connection, so that a route can cut it.
fn keep_connection(connection: &dyn Any, extensions: &mut Extensions) {
    #[cfg(unix)]
    use std::os::fd::AsFd as _;
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        #[cfg(unix)]
        let handle = stream.as_fd().try_clone_to_owned();
        #[cfg(windows)]
        let handle = std::os::windows::io::AsSocket::as_socket(stream).try_clone_to_owned();
        extensions.insert(routes::Connection(TcpStream::from(handle.unwrap())));
    }
}
