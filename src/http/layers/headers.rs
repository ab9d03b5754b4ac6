//! What every answer tells browsers, unless it says otherwise itself.

use actix_web::{
    http::header::{HeaderName, HeaderValue},
    middleware::DefaultHeaders,
};

/// What counts everywhere. The resource policy keeps pages of others from embedding answers;
/// requests that a page may make by CORS are not subject to it.
pub(crate) const SECURITY: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
];
/// Most answers are for one caller alone; those that may be kept say so.
const CACHE: (&str, &str) = ("cache-control", "no-store");
/// For a year. Of other hosts of the same domain nothing is known.
pub(crate) const HTTPS_ONLY: (&str, &str) = ("strict-transport-security", "max-age=31536000");

/// Adds what an answer has not set itself.
pub(crate) fn headers(https_only: bool) -> DefaultHeaders {
    let transport = https_only.then_some(HTTPS_ONLY);
    SECURITY
        .into_iter()
        .chain([CACHE])
        .chain(transport)
        // Values that nobody has to count the holders of.
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}
