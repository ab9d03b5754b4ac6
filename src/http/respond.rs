//! Answers that several handlers give.

use std::str::FromStr;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
    web::Bytes,
};
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::{domain::Invalid, ports::Created};

use super::{ErrorCode, Problem, conditional};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// 200 with a body.
pub(crate) fn ok(body: &impl Serialize) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().content_type("application/json").body(encode(body)?))
}

/// 200 with a body and its tag, or 304.
pub(crate) fn ok_tagged(req: &HttpRequest, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = encode(body)?;
    Ok(conditional::answer(req, &conditional::tag_of(&body), body))
}

/// 201 with a body and its address; the same for a repeated request, which is told so.
pub(crate) fn created<T, B: Serialize>(
    created: Created<T>,
    location: impl FnOnce(&T) -> String,
    body: impl FnOnce(T) -> B,
) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::Created();
    if matches!(created, Created::Before(_)) {
        response.insert_header((REPLAYED, "true"));
    }
    let thing = created.into_inner();
    response.insert_header((header::LOCATION, location(&thing)));
    Ok(response.content_type("application/json").body(encode(&body(thing))?))
}

/// What was asked for is done later.
#[derive(Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedBody {
    /// For people.
    message: &'static str,
}

/// 202 with a sentence for people.
pub(crate) fn accepted(message: &'static str) -> Result<HttpResponse, Problem> {
    let body = encode(&AcceptedBody { message })?;
    Ok(HttpResponse::Accepted().content_type("application/json").body(body))
}

/// The same for a request that may be repeated, which is told so.
pub(crate) fn accepted_once(
    done: Created<()>,
    message: &'static str,
) -> Result<HttpResponse, Problem> {
    let mut response = accepted(message)?;
    if matches!(done, Created::Before(())) {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// 204.
pub(crate) fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// A body as JSON.
pub(crate) fn encode(body: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "an answer could not be encoded");
        Problem::of(ErrorCode::Internal)
    })
}

/// An identifier out of the path; one that is malformed names nothing.
pub(crate) fn path_id<T: FromStr<Err = Invalid>>(
    req: &HttpRequest,
    name: &str,
    missing: ErrorCode,
) -> Result<T, Problem> {
    let text = req.match_info().get(name).unwrap_or_default();
    text.parse().map_err(|_: Invalid| Problem::of(missing))
}
