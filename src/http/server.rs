//! The server itself: its limits, its layers in order, its routes.

mod bare;
mod connection;

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    rc::Rc,
    thread::available_parallelism,
    time::Duration,
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service,
    map_config,
};
use actix_web::{
    App, Error,
    dev::{AppConfig, Extensions},
    middleware::from_fn,
    rt::net::TcpStream,
    web,
};
use tokio::time::sleep;
use tracing_actix_web::TracingLogger;

use super::{AppState, docs, layers, routes};
use crate::near;

pub(crate) use connection::Exchange;
use connection::{Connection, woken};

/// Longer than the 60 s for which a load balancer keeps an idle connection, so that it is never
/// the one to send into a connection that was just closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For what a client still sends once it was answered for the last time.
const DISCONNECT: Duration = Duration::from_secs(2);
/// For requests under way at a stop, in seconds.
const DRAIN_SECONDS: u64 = 14;

/// What the operator sets of the server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Worker threads; one for each core when not set.
    pub workers: Option<usize>,
    /// Connections that are open at once, at least one; more wait to be accepted.
    pub connections: usize,
    /// The origins whose pages a browser lets read answers.
    pub cors_origins: Vec<String>,
    /// Whether browsers are told to come by HTTPS alone.
    pub https_only: bool,
}

/// A server on a listener. It does not act on signals: whoever runs it stops it, after telling
/// the readiness flag.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(
    state: AppState,
    settings: ServerSettings,
    listener: TcpListener,
) -> io::Result<Server> {
    actix_web::rt::spawn(state.clone().follow(state.handles.applied()));
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let connections = settings.connections.max(1);
    // Each worker counts its own connections.
    let workers = settings.workers.unwrap_or(cores).min(connections);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections / workers)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let docs = docs::Docs::new();
    let listening = builder.listen("http", listener, move || {
        let app = App::new()
            // Each worker has its own: every request counts who holds it, and cores that share a
            // counter wait for each other.
            .app_data(web::Data::new(state.clone()))
            .app_data(web::Data::new(docs.clone()))
            .configure(routes::configure)
            .configure(docs::configure)
            .default_service(web::to(layers::not_found))
            .wrap(from_fn(layers::coded))
            .wrap(from_fn(layers::limited))
            .wrap(TracingLogger::<layers::RequestSpan>::new())
            .wrap(from_fn(layers::admitted))
            .wrap(layers::cors(&settings.cors_origins))
            .wrap(from_fn(layers::outermost))
            .wrap(layers::headers(settings.https_only))
            .into_factory()
            .map_err(|error: Error| error.error_response());
        let (stopping, at_rest) = (stopping.clone(), stopping.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            // Its timer knows only the first head: the connection's own deadlines know them all.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(|connection: &Connection<TcpStream>, data: &mut Extensions| {
                data.insert(connection.exchange());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let https_only = settings.https_only;
        fn_factory(move || {
            let (http, stopping) = (http.new_service(()), at_rest.clone());
            async move {
                near::open();
                let http = Rc::new(http.await?);
                Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                    serve(stream, https_only, Rc::clone(&http), stopping.clone())
                }))
            }
        })
    })?;
    Ok(listening.run())
}

/// Serves a connection, with rests while it is idle.
async fn serve<H>(
    stream: TcpStream,
    https_only: bool,
    http: Rc<H>,
    stopping: GracefulShutdownSignal,
) -> Result<(), DispatchError>
where
    H: Service<
            (Connection<TcpStream>, Protocol, Option<SocketAddr>),
            Response = (),
            Error = DispatchError,
        >,
{
    let peer = stream.peer_addr().ok();
    let stream = Rc::new(RefCell::new(stream));
    loop {
        let connection = Connection::new(&stream, https_only);
        let exchange = connection.exchange();
        // In a place of its own, which is free during a rest.
        Box::pin(http.call((connection, Protocol::Http1, peer))).await?;
        if !exchange.rests() {
            return Ok(());
        }
        tokio::select! {
            woken = woken(&stream) => woken?,
            () = sleep(KEEP_ALIVE) => return Ok(()),
            () = stopping.notified() => return Ok(()),
        }
    }
}
