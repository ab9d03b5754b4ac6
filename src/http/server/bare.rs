//! Answers to what never became a request, because its head is malformed, too large or too slow:
//! problems like every other.

use std::{fmt::Write, time::SystemTime};

use actix_web::{
    body::MessageBody,
    http::{StatusCode, header::HttpDate},
};

use crate::http::{
    Problem,
    layers::{HTTPS_ONLY, REQUEST_ID_HEADER, RequestId, SECURITY},
};

/// What the HTTP library says by itself has a few headers and no body.
const MAX_BARE: usize = 256;

/// The problem to send instead, where the HTTP library answers by itself: with an error that has no
/// request's id.
pub(super) fn as_problem(written: &[u8], https_only: bool) -> Option<Vec<u8>> {
    let status =
        written.strip_prefix(b"HTTP/1.1 ").filter(|_| written.len() <= MAX_BARE)?.get(..3)?;
    let status = StatusCode::from_bytes(status).ok()?;
    let id = REQUEST_ID_HEADER;
    let has_id = || {
        let mut parts = written.windows(id.as_str().len());
        parts.any(|part| part.eq_ignore_ascii_case(id.as_str().as_bytes()))
    };
    let is_bare = (status.is_client_error() || status.is_server_error()) && !has_id();
    is_bare.then(|| problem(status, https_only))
}

/// A problem with its head, after which the connection closes.
pub(super) fn problem(status: StatusCode, https_only: bool) -> Vec<u8> {
    let id = RequestId::new();
    let response = Problem::of_framework(status, None).for_request(id.as_str()).response();
    tracing::info!(request_id = id.as_str(), status = status.as_u16(), "refused before its route");
    let (response, body) = response.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let date = HttpDate::from(SystemTime::now());
    let (length, status) = (body.len(), response.status());
    let mut head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ndate: {date}\r\ncontent-length: {length}\r\n"
    );
    let own = response.headers().iter();
    let own = own.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    for (name, value) in own.chain(SECURITY).chain(https_only.then_some(HTTPS_ONLY)) {
        // Writing to a `String` cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", &body].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_bare_error_becomes_a_problem_and_nothing_else_does() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        let problem = String::from_utf8(as_problem(bare, true).unwrap()).unwrap();
        assert!(
            problem.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            "{problem}"
        );
        assert!(problem.contains("\r\ncontent-type: application/problem+json\r\n"), "{problem}");
        assert!(problem.contains("\r\nstrict-transport-security: "), "{problem}");
        let (head, body) = problem.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{problem}");
        assert!(body.contains("\"headers_too_large\""), "{problem}");
        for other in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\n\r\n",
            "{\"name\":\"HTTP/1.1 400 Bad Request\"}",
            "HTTP/1.1 ",
        ] {
            assert_eq!(as_problem(other.as_bytes(), false), None, "{other}");
        }
        let long = [bare.as_slice(), &[b' '; MAX_BARE]].concat();
        assert_eq!(as_problem(&long, false), None);
    }
}
