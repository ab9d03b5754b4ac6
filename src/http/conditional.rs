//! Entity tags: reads that need not be sent again, and edits that must not be lost.

use std::hash::{DefaultHasher, Hasher};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Bytes};

use super::{ErrorCode, Problem};

/// The tag of a body: equal bytes have equal tags. Not a promise over releases: a changed tag
/// costs a client one full answer.
pub(crate) fn tag_of(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}

/// A JSON body with its tag, or 304 where the client has it already.
pub(crate) fn answer(req: &HttpRequest, tag: &str, body: Bytes) -> HttpResponse {
    let mut response =
        if is_known(req, tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, tag))
        // Kept by the client alone, and asked about each time: what one may see can change.
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if is_known(req, tag) {
        return response.finish();
    }
    response.content_type("application/json").body(body)
}

fn is_known(req: &HttpRequest, tag: &str) -> bool {
    req.headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|sent| sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == tag)
}

/// The version that an editor saw, out of `If-Match`. A tag that is none of ours is version 0,
/// which nothing ever has: it is stale.
///
/// # Errors
/// 428 without it, and for `*`, which would overwrite whatever is there; 400 for what is no tag.
pub(crate) fn expected_version(req: &HttpRequest) -> Result<u32, Problem> {
    let required = || {
        Problem::new(
            ErrorCode::PreconditionRequired,
            "send the ETag of the version that you saw as If-Match",
        )
    };
    let value = req.headers().get(header::IF_MATCH).ok_or_else(required)?;
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Err(required());
    }
    let tag = text.strip_prefix("W/").unwrap_or(text);
    match tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(version) if !version.contains('"') => Ok(version.parse().unwrap_or(0)),
        _ => Err(Problem::new(
            ErrorCode::InvalidHeader,
            "If-Match must be one entity tag such as \"3\"",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::{http::StatusCode, test::TestRequest};

    use super::*;

    #[test]
    fn a_client_that_has_the_body_gets_none() {
        let status = |sent: &'static str| {
            let request = TestRequest::default().insert_header((header::IF_NONE_MATCH, sent));
            answer(&request.to_http_request(), "\"3\"", Bytes::from_static(b"{}")).status()
        };
        for known in ["\"3\"", "W/\"3\"", "\"1\", \"3\"", "*"] {
            assert_eq!(status(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for other in ["\"33\"", "3", ""] {
            assert_eq!(status(other), StatusCode::OK, "{other}");
        }
    }

    #[test]
    fn an_edit_names_the_version_that_it_saw() {
        let version = |sent: &'static str| {
            let request = TestRequest::default().insert_header((header::IF_MATCH, sent));
            expected_version(&request.to_http_request()).map_err(|problem| problem.code())
        };
        assert_eq!(version("\"3\""), Ok(3));
        assert_eq!(version("\"old\""), Ok(0));
        assert_eq!(version("*"), Err(ErrorCode::PreconditionRequired));
        assert_eq!(version("3"), Err(ErrorCode::InvalidHeader));
        assert_eq!(version("\"3\", \"4\""), Err(ErrorCode::InvalidHeader));
        let without = expected_version(&TestRequest::default().to_http_request());
        assert_eq!(without.unwrap_err().code(), ErrorCode::PreconditionRequired);
    }
}
