//! What every request passes, whatever its route.

mod coding;
mod cors;
mod door;
mod headers;
mod limit;
mod request_id;
mod span;
mod trace;

use std::time::Instant;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};

use watchme_actors::{domain::Quota, ports::traced};

use super::{
    AppState, ErrorCode, Problem,
    body::BodyTaken,
    quotas::{self, Policy},
    server::Exchange,
};

#[cfg(test)]
pub(crate) use coding::agreeing;
pub(crate) use coding::{coded, coding};
pub(crate) use cors::cors;
pub(crate) use door::{Door, Place, admitted, aside};
pub(crate) use headers::{HTTPS_ONLY, SECURITY, headers};
pub(crate) use limit::{ClientLimit, limited};
pub(crate) use request_id::RequestId;
pub(crate) use span::RequestSpan;

/// The header that names a request, in both directions.
pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What balancers and other machines ask for, all the time.
const MACHINES: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

/// The pattern of the route that a request has met. Its guard notes it.
#[derive(Clone, Copy)]
pub(crate) struct RoutePattern(pub(crate) &'static str);

/// Gives the request its id and its place in a trace, measures it, tells its connection of it, and
/// has the last word on errors: whatever leaves here with a 4xx or 5xx is problem+json and names the
/// request.
pub(crate) async fn outermost<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let started = Instant::now();
    let exchange = req.conn_data::<Exchange>().cloned();
    if let Some(exchange) = &exchange {
        exchange.begins();
    }
    let id = RequestId::of(&req);
    req.extensions_mut().insert(id.clone());
    let state = req.app_data::<web::Data<AppState>>().cloned();
    let _under_way = state.as_ref().map(|state| state.red.begin());
    let method = method_label(req.method());
    let (place, span) = trace::begin(&req, state.as_ref().map(|state| state.get_ref()));
    let (outcome, noted) = quotas::noting(traced(place, next.call(req))).await;
    let response = match outcome {
        Ok(response) => response,
        // Only a layer fails like this, not a handler: there is no request to answer to any more.
        Err(error) => {
            if let Some(exchange) = exchange {
                exchange.ends(false, false);
            }
            let problem = error.as_error::<Problem>().cloned().unwrap_or_else(|| {
                Problem::of_framework(error.as_response_error().status_code(), None)
            });
            return Err(problem.for_request(id.as_str()).into());
        }
    };
    if let Some(state) = &state {
        trace::end(span, &response, state.settings.listening);
        let route = response.request().extensions().get::<RoutePattern>().map(|route| route.0);
        state.red.observe(method, route, response.status(), started.elapsed());
    }
    let mut response = finished(response, &id, &noted);
    if leaves_chunks(response.request()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(exchange) = exchange {
        exchange.ends(response.response().keep_alive(), is_settled(&response));
    }
    Ok(response)
}

/// Whether all of the request was read, all of the answer is there, and another request may come.
fn is_settled<B: MessageBody>(response: &ServiceResponse<B>) -> bool {
    let req = response.request();
    let stays = req.head().connection_type() == ConnectionType::KeepAlive;
    let headers = req.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let is_read = !has_body || req.extensions().contains::<BodyTaken>();
    stays && is_read && !matches!(response.response().body().size(), BodySize::Stream)
}

/// Whether chunks of the request were not read to their end. What is left of them would be waited
/// for as if it were the next request, and nobody can tell how much that is.
fn leaves_chunks(req: &HttpRequest) -> bool {
    req.headers().contains_key(header::TRANSFER_ENCODING)
        && !req.extensions().contains::<BodyTaken>()
}

fn finished<B: MessageBody>(
    response: ServiceResponse<B>,
    id: &RequestId,
    noted: &[(Policy, Quota)],
) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    let mut response = if status.is_client_error() || status.is_server_error() {
        let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
        let problem = problem.cloned().unwrap_or_else(|| {
            let allow = response.headers().get(header::ALLOW);
            Problem::of_framework(status, allow.and_then(|v| v.to_str().ok()).map(str::to_owned))
        });
        let mut answer = problem.for_request(id.as_str()).response();
        keep(response.headers(), answer.headers_mut());
        response.into_response(answer).map_into_right_body()
    } else {
        response.map_into_left_body()
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID_HEADER, value);
    }
    quotas::write(noted, headers);
    response
}

/// Takes over what the layers have added to an answer, and nothing that describes its body.
fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    const OF_THE_BODY: [HeaderName; 4] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
    ];
    let added: Vec<_> = from
        .iter()
        .filter(|(name, _)| !to.contains_key(*name) && !OF_THE_BODY.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in added {
        to.append(name, value);
    }
}

/// The methods that exist; whatever else a client makes up counts as one.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// The answer where there is no route.
pub(crate) async fn not_found() -> HttpResponse {
    HttpResponse::from_error(Problem::of(ErrorCode::NotFound))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::{
        App, HttpResponse,
        http::StatusCode,
        middleware::from_fn,
        test::{self, TestRequest},
    };
    use serde_json::Value;

    use super::*;

    async fn answer(path: &str) -> (StatusCode, String, Value) {
        let app = test::init_service(
            App::new()
                .route("/fine", web::get().to(HttpResponse::Ok))
                .route("/plain", web::get().to(HttpResponse::PayloadTooLarge))
                .route(
                    "/problem",
                    web::get()
                        .to(async || Err::<HttpResponse, _>(Problem::of(ErrorCode::LastAdmin))),
                )
                .default_service(web::to(not_found))
                .wrap(from_fn(coded))
                .wrap(from_fn(outermost)),
        )
        .await;
        let request = TestRequest::with_uri(path).insert_header((REQUEST_ID_HEADER, "abc"));
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(response.headers().get(REQUEST_ID_HEADER).unwrap(), "abc");
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map_or("", |value| value.to_str().unwrap()).to_owned();
        let body = test::read_body(response).await;
        (status, content_type, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[actix_web::test]
    async fn every_error_leaves_as_a_problem_that_names_the_request() {
        for (path, status, code) in [
            ("/plain", 413, "body_too_large"),
            ("/problem", 409, "last_admin"),
            ("/nowhere", 404, "not_found"),
        ] {
            let (answered, content_type, body) = answer(path).await;
            assert_eq!(answered.as_u16(), status, "{path}");
            assert_eq!(content_type, "application/problem+json", "{path}");
            assert_eq!(body["code"], code, "{path}");
            assert_eq!(body["status"], status, "{path}");
            assert_eq!(body["instance"], "abc", "{path}");
        }
    }

    #[actix_web::test]
    async fn what_is_fine_passes_as_it_is() {
        assert_eq!(answer("/fine").await, (StatusCode::OK, String::new(), Value::Null));
    }
}
