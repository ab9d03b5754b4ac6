//! In which coding an answer is sent, and compressing what is not compressed yet.

use actix_http::encoding::Encoder;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_ENCODING, AcceptEncoding, CONTENT_TYPE, ContentEncoding, Encoding, HeaderValue,
            VARY,
        },
    },
    middleware::Next,
};

const SUPPORTED: [Encoding; 4] =
    [Encoding::identity(), Encoding::brotli(), Encoding::gzip(), Encoding::deflate()];
const BY_CODING: HeaderValue = HeaderValue::from_static("accept-encoding");

/// What client and service have agreed on.
#[derive(Clone, Copy)]
struct Agreed(ContentEncoding);

/// The coding in which the answer to a request is sent, by the handler or else by [`coded`].
pub(crate) fn coding(req: &HttpRequest) -> ContentEncoding {
    req.extensions().get::<Agreed>().map_or(ContentEncoding::Identity, |agreed| agreed.0)
}

/// Agrees on a coding, and sends the answer in it, unless the handler has done so. The same as the
/// framework's `Compress`, which would tell nobody what was agreed on, and agree anew on each
/// request that asks for nothing.
pub(crate) async fn coded<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<Encoder<B>>>, Error> {
    let Some(coding) = agree(&req) else {
        let refusal = HttpResponse::NotAcceptable().insert_header((VARY, BY_CODING)).finish();
        return Ok(req.into_response(refusal).map_body(|_, body: BoxBody| EitherBody::right(body)));
    };
    if coding != ContentEncoding::Identity {
        req.extensions_mut().insert(Agreed(coding));
    }
    let is_read = matches!(*req.method(), Method::GET | Method::HEAD);
    let response = next.call(req).await?;
    Ok(response.map_body(|head, body| {
        let coding = if is_compressed(head.headers().get(CONTENT_TYPE)) {
            ContentEncoding::Identity
        } else {
            coding
        };
        let body = Encoder::response(coding, head, body);
        let may_be_kept = head.status.is_success() || head.status == StatusCode::NOT_MODIFIED;
        let says_so = head.headers().get_all(VARY).any(|value| value == BY_CODING);
        if is_read && may_be_kept && !says_so {
            head.headers_mut().append(VARY, BY_CODING);
        }
        EitherBody::left(body)
    }))
}

/// What both can do, and the client likes best; nothing where it refuses everything.
fn agree(req: &ServiceRequest) -> Option<ContentEncoding> {
    if !req.headers().contains_key(ACCEPT_ENCODING) {
        return Some(ContentEncoding::Identity);
    }
    // What cannot be understood asks for nothing.
    let Some(accepted) = req.get_header::<AcceptEncoding>() else {
        return Some(ContentEncoding::Identity);
    };
    match accepted.negotiate(SUPPORTED.iter())? {
        Encoding::Known(coding) => Some(coding),
        Encoding::Unknown(_) => Some(ContentEncoding::Identity),
    }
}

/// A request that has been agreed on, for tests of what answers it.
#[cfg(test)]
pub(crate) fn agreeing(request: actix_web::test::TestRequest) -> HttpRequest {
    let request = request.to_srv_request();
    if let Some(coding) = agree(&request) {
        request.extensions_mut().insert(Agreed(coding));
    }
    request.into_parts().0
}

/// Whether the bytes of this type are small already.
fn is_compressed(content_type: Option<&HeaderValue>) -> bool {
    let name = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    name.starts_with("video/") || (name.starts_with("image/") && !name.starts_with("image/svg"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::{
        App,
        http::header::CONTENT_ENCODING,
        middleware::from_fn,
        test::{self, TestRequest},
        web,
    };

    use super::*;

    fn agreed(accepted: &[&str]) -> Option<ContentEncoding> {
        let mut request = TestRequest::default();
        for value in accepted {
            request = request.append_header((ACCEPT_ENCODING, *value));
        }
        agree(&request.to_srv_request())
    }

    #[core::prelude::v1::test]
    fn the_client_has_the_choice() {
        use ContentEncoding::{Brotli, Deflate, Gzip, Identity};
        for (accepted, coding) in [
            (&[][..], Some(Identity)),
            (&[""], Some(Identity)),
            (&["identity"], Some(Identity)),
            (&["zstd"], Some(Identity)),
            (&["*"], Some(Identity)),
            (&["gzip"], Some(Gzip)),
            (&["deflate"], Some(Deflate)),
            (&["gzip, deflate, br"], Some(Brotli)),
            (&["gzip", "br"], Some(Brotli)),
            (&["br;q=0.5, gzip;q=0.8"], Some(Gzip)),
            (&["br;q=0, gzip;q=0"], Some(Identity)),
            (&["br, identity;q=0, *;q=0"], Some(Brotli)),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
        ] {
            assert_eq!(agreed(accepted), coding, "{accepted:?}");
        }
    }

    async fn text() -> HttpResponse {
        HttpResponse::Ok().body("a text, a text")
    }

    async fn done() -> HttpResponse {
        HttpResponse::Ok().insert_header((CONTENT_ENCODING, "br")).body("...")
    }

    async fn picture() -> HttpResponse {
        HttpResponse::Ok().content_type("image/png").body("...")
    }

    async fn sent(path: &str, accepted: &'static str) -> (StatusCode, Option<String>, Vec<String>) {
        let app = App::new()
            .route("/text", web::get().to(text))
            .route("/text", web::post().to(text))
            .route("/done", web::get().to(done))
            .route("/picture", web::get().to(picture))
            .route("/same", web::get().to(HttpResponse::NotModified))
            .wrap(from_fn(coded));
        let app = test::init_service(app).await;
        let (method, path) = path.split_once(' ').unwrap_or(("GET", path));
        let request = TestRequest::with_uri(path).insert_header((ACCEPT_ENCODING, accepted));
        let request = request.method(method.parse().unwrap()).to_request();
        let response = test::call_service(&app, request).await;
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let coding = response.headers().get(CONTENT_ENCODING).map(text);
        let vary = response.headers().get_all(VARY).map(text).collect();
        (response.status(), coding, vary)
    }

    #[actix_web::test]
    async fn an_answer_is_compressed_once_and_says_what_it_depends_on() {
        let ok = StatusCode::OK;
        let vary = || vec!["accept-encoding".to_owned()];
        let br = || Some("br".to_owned());
        assert_eq!(sent("/text", "br").await, (ok, br(), vary()));
        assert_eq!(sent("/text", "identity").await, (ok, None, vary()));
        assert_eq!(sent("/done", "gzip").await, (ok, br(), vary()));
        assert_eq!(sent("/picture", "br").await, (ok, None, vary()));
        assert_eq!(sent("/same", "br").await, (StatusCode::NOT_MODIFIED, None, vary()));
        assert_eq!(sent("POST /text", "identity").await, (ok, None, Vec::new()));
        let refused = sent("/text", "identity;q=0").await;
        assert_eq!(refused, (StatusCode::NOT_ACCEPTABLE, None, vary()));
    }
}
