//! The span of a request and the one line that says how it ended. Neither holds a query string,
//! a header or a body: those may carry secrets.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tracing::{Span, field::Empty};
use tracing_actix_web::RootSpanBuilder;

use super::{Problem, RequestId, RoutePattern};

/// Builds the root span of a request.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let id = extensions.get::<RequestId>().map_or("", RequestId::as_str);
        tracing::info_span!(
            "request",
            request_id = id,
            method = %request.method(),
            route = Empty,
            status = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => {
                if let Some(route) = response.request().extensions().get::<RoutePattern>() {
                    span.record("route", route.0);
                }
                response.status()
            }
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        let _in_span = span.enter();
        let problem = outcome.as_ref().ok().and_then(|response| response.response().error());
        match problem {
            Some(problem) if status.is_server_error() => tracing::error!(%problem, "answered"),
            // Its code alone: its sentence may name what the client made up.
            Some(problem) => {
                let code = problem.as_error::<Problem>().map(|problem| problem.code().as_str());
                tracing::info!(code, "answered");
            }
            None => tracing::info!("answered"),
        }
    }
}
