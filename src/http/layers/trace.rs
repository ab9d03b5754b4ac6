//! Where a request belongs in a distributed trace (W3C Trace Context), and its span there, where
//! traces are exported. The span names a request by its route: of what the client wrote it shows
//! nothing but numbers in the path, since anything else may be a secret or tell of a person.

use std::net::SocketAddr;

use actix_web::{
    HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderName},
};
use watchme_actors::domain::TraceParent;

use super::{MACHINES, RoutePattern, method_label};
use crate::{
    http::{AppState, Problem},
    telemetry::{Kind, Span},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// More digits than any id of a movie has.
const MAX_DIGITS: usize = 10;

/// A request's place in its trace, and its span: the place is that of the span, where there is one.
pub(super) fn begin(req: &ServiceRequest, state: Option<&AppState>) -> (TraceParent, Span) {
    let sent = sent(req);
    let traces = state.and_then(|state| state.ports.traces.as_ref());
    // What machines ask every few seconds would hide all the rest.
    let span = match traces.filter(|_| !MACHINES.contains(&req.path())) {
        Some(traces) => traces.begin(Kind::Server, name_of(req.method()), sent),
        None => Span::default(),
    };
    let otherwise = || sent.map_or_else(TraceParent::generate, TraceParent::child);
    (span.place().unwrap_or_else(otherwise), span)
}

/// The caller's place, where it sent one that is well formed. Of two, nobody can say which one
/// counts.
fn sent(req: &ServiceRequest) -> Option<TraceParent> {
    let mut sent = req.headers().get_all(TRACEPARENT).filter_map(|value| value.to_str().ok());
    match (sent.next().map(str::parse), sent.next()) {
        (Some(Ok(parent)), None) => Some(parent),
        _ => None,
    }
}

/// Ends a request's span with what became of it.
pub(super) fn end<B: MessageBody>(
    mut span: Span,
    response: &ServiceResponse<B>,
    listening: SocketAddr,
) {
    if !span.is_recorded() {
        return;
    }
    let (request, status) = (response.request(), response.status());
    let method = match method_label(request.method()) {
        "OTHER" => "_OTHER",
        known => known,
    };
    span.note("http.request.method", method);
    span.note("http.response.status_code", i64::from(status.as_u16()));
    span.note("url.scheme", "http");
    span.note("network.protocol.version", version(request));
    span.note("server.address", listening.ip().to_string());
    span.note("server.port", i64::from(listening.port()));
    if let Some(RoutePattern(route)) = request.extensions().get::<RoutePattern>().copied() {
        span.note("http.route", route);
        span.note("url.path", scrubbed(route, request.path()));
        span.rename(format!("{} {route}", name_of(request.method())));
    }
    if status.is_server_error() {
        let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
        span.failed(problem.map_or("500", |problem| problem.code().as_str()));
    }
}

/// What a span is called before its route is known.
fn name_of(method: &Method) -> &'static str {
    match method_label(method) {
        "OTHER" => "HTTP",
        known => known,
    }
}

fn version(request: &HttpRequest) -> &'static str {
    match request.version() {
        actix_web::http::Version::HTTP_10 => "1.0",
        actix_web::http::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// A path with its numbers, and with the names of whatever else varies in its place.
fn scrubbed(route: &str, path: &str) -> String {
    let mut written = path.split('/');
    let parts = route.split('/').map(|part| {
        let written = written.next().unwrap_or_default();
        let shown = part.starts_with('{')
            && (1..=MAX_DIGITS).contains(&written.len())
            && written.bytes().all(|b| b.is_ascii_digit());
        if shown { written } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_of(sent: &[&'static str]) -> String {
        let mut request = TestRequest::default();
        for value in sent {
            request = request.append_header((TRACEPARENT, *value));
        }
        begin(&request.to_srv_request(), None).0.to_string()
    }

    #[test]
    fn a_well_formed_trace_goes_on_and_any_other_begins_anew() {
        let child = trace_of(&[SENT]);
        assert_eq!((&child[..36], &child[52..]), (&SENT[..36], &SENT[52..]));
        assert_ne!(child, SENT, "this is another piece of work");
        let other = SENT.replace("0af", "1af");
        for wrong in [&[][..], &["x"], &[SENT, SENT], &[&other[1..].to_owned().leak()[..]]] {
            assert_ne!(trace_of(wrong)[..36], SENT[..36], "{wrong:?}");
        }
    }

    #[test]
    fn a_path_shows_numbers_and_nothing_else_that_varies() {
        let route = "/api/v1/watched/{movieId}/plays/{playId}";
        for (path, shown) in [
            ("/api/v1/watched/550/plays/0199", "/api/v1/watched/550/plays/0199"),
            ("/api/v1/watched/ada@example.com/plays/x", route),
            ("/api/v1/watched/12345678901/plays/", route),
            ("/api/v1/watched", route),
        ] {
            assert_eq!(scrubbed(route, path), shown);
        }
    }
}
