//! Which pages a browser lets talk to the service (CORS).

use actix_cors::Cors;
use actix_web::{http::header, middleware::Condition};

use super::REQUEST_ID_HEADER;

/// For how long a browser remembers what it may send, in seconds.
const MAX_AGE: usize = 3600;

/// Lets the pages of these origins talk to the service, and nobody where there are none. Never with
/// cookies: who calls is in the `Authorization` header alone.
pub(crate) fn cors(origins: &[String]) -> Condition<Cors> {
    let allowed = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            REQUEST_ID_HEADER,
        ])
        .allowed_headers(["idempotency-key", "traceparent"])
        .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER, REQUEST_ID_HEADER])
        .expose_headers(["ratelimit", "ratelimit-policy", "idempotency-replayed", "cache-status"])
        .max_age(MAX_AGE);
    let allowed = origins.iter().fold(allowed, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.is_empty(), allowed)
}
