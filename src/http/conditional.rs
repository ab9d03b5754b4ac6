//! Entity tags: reads that need not be sent again, and edits that must not be lost.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hasher},
};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, ContentEncoding, HeaderValue},
    web::Bytes,
};

use super::{ErrorCode, Problem, layers::coding};

/// Kept by the client alone, and asked about each time: what one may see can change.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");
/// What the tag of a body has before its end in each coding: other bytes have another tag.
const IN_CODINGS: [(ContentEncoding, &str); 3] = [
    (ContentEncoding::Brotli, "-br\""),
    (ContentEncoding::Gzip, "-gzip\""),
    (ContentEncoding::Deflate, "-deflate\""),
];

/// The tag of a body: equal bytes have equal tags. Not a promise over releases: a changed tag
/// costs a client one full answer.
pub(crate) fn tag_of(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}

/// The tag of a version, to come back as `If-Match`.
pub(crate) fn version_tag(version: u32) -> String {
    format!("\"{version}\"")
}

/// A JSON body with its tag, or 304 where the client has it already. It goes out in the coding that
/// was agreed on.
pub(crate) fn answer(req: &HttpRequest, tag: &str, body: Bytes) -> HttpResponse {
    let coding = coding(req);
    not_modified(req, tag, coding)
        .unwrap_or_else(|| modified(tag, coding).content_type("application/json").body(body))
}

/// 304 where the client has the body of this tag already, in whatever coding: it is told the tag of
/// the bytes that it has.
pub(crate) fn not_modified(
    req: &HttpRequest,
    tag: &str,
    coding: ContentEncoding,
) -> Option<HttpResponse> {
    let mut sent = req
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|sent| sent.trim().trim_start_matches("W/"));
    let known = sent.find_map(|sent| match sent {
        "*" => Some(coded_tag(tag, coding)),
        sent => names(sent, tag).then_some(Cow::Borrowed(sent)),
    })?;
    Some(begun(HttpResponse::NotModified(), &known).finish())
}

/// The head of 200 with a body of this tag in a coding.
pub(crate) fn modified(tag: &str, coding: ContentEncoding) -> HttpResponseBuilder {
    begun(HttpResponse::Ok(), &coded_tag(tag, coding))
}

fn begun(mut response: HttpResponseBuilder, tag: &str) -> HttpResponseBuilder {
    response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, ASK_AGAIN));
    response
}

/// The tag of a body's bytes in a coding.
fn coded_tag(tag: &str, coding: ContentEncoding) -> Cow<'_, str> {
    let end = IN_CODINGS.iter().find(|(other, _)| *other == coding);
    end.map_or(Cow::Borrowed(tag), |(_, end)| Cow::Owned(format!("{}{end}", stem(tag))))
}

/// Whether what was sent is the tag of the body in some coding.
fn names(sent: &str, tag: &str) -> bool {
    let end = sent.strip_prefix(stem(tag));
    end.is_some_and(|end| end == "\"" || IN_CODINGS.iter().any(|(_, other)| *other == end))
}

/// A tag without its last quote.
fn stem(tag: &str) -> &str {
    tag.strip_suffix('"').unwrap_or(tag)
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
        for other in ["\"33\"", "3", "", "\"3-\"", "\"3-zip\"", "\"-gzip\""] {
            assert_eq!(status(other), StatusCode::OK, "{other}");
        }
    }

    #[test]
    fn a_tag_names_the_bytes_of_its_coding_and_each_of_them_is_known() {
        let (gzip, identity) = (ContentEncoding::Gzip, ContentEncoding::Identity);
        let tag_of = |response: &HttpResponse| response.headers().get(header::ETAG).cloned();
        let sent = |coding| tag_of(&modified("\"3\"", coding).finish()).unwrap();
        assert_eq!((sent(identity), sent(gzip)), (hv("\"3\""), hv("\"3-gzip\"")));
        for (known, told) in [
            ("\"3\"", "\"3\""),
            ("\"3-gzip\"", "\"3-gzip\""),
            ("W/\"3-br\"", "\"3-br\""),
            ("\"1\", \"3-deflate\"", "\"3-deflate\""),
            ("*", "\"3-gzip\""),
        ] {
            let request = TestRequest::default().insert_header((header::IF_NONE_MATCH, known));
            let response = not_modified(&request.to_http_request(), "\"3\"", gzip).unwrap();
            assert_eq!(tag_of(&response).unwrap(), told, "{known}");
        }
    }

    fn hv(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
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
