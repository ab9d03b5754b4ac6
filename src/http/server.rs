//! The server itself: its limits, its layers in order, its routes.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    middleware::{Compress, from_fn},
    web,
};
use tracing_actix_web::TracingLogger;

use super::{AppState, docs, layers, routes};

/// Longer than the 60 s for which a load balancer keeps an idle connection, so that it is never
/// the one to send into a connection that was just closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For a request's head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests under way at a stop, in seconds.
const DRAIN_SECONDS: u64 = 14;

/// What the operator sets of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerSettings {
    /// Worker threads; one for each core when not set.
    pub workers: Option<usize>,
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
    let state = web::Data::new(state);
    let docs = docs::Docs::new();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::Data::new(docs.clone()))
            .configure(routes::configure)
            .configure(docs::configure)
            .default_service(web::to(layers::not_found))
            .wrap(Compress::default())
            .wrap(TracingLogger::<layers::RequestSpan>::new())
            .wrap(from_fn(layers::outermost))
    })
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(Duration::from_secs(2))
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals();
    let server = match settings.workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    Ok(server.listen(listener)?.run())
}
