//! The span of a request and the one line that says how it ended. Neither holds a query string,
//! a header or a body: those may carry secrets. How it ended is told by the line itself.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use super::{Problem, RequestId, RoutePattern, method_label};

/// Builds the root span of a request.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let id = extensions.get::<RequestId>().map_or("", RequestId::as_str);
        tracing::info_span!("request", request_id = id, method = method_label(request.method()),)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let answered = outcome.as_ref().ok();
        let route = answered
            .and_then(|response| response.request().extensions().get::<RoutePattern>().copied())
            .map(|route| route.0);
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let (failed, status) = (status.is_server_error(), status.as_u16());
        let _in_span = span.enter();
        let problem = answered.and_then(|response| response.response().error());
        match problem {
            Some(problem) if failed => tracing::error!(route, status, %problem, "answered"),
            // Its code alone: its sentence may name what the client made up.
            Some(problem) => {
                let code = problem.as_error::<Problem>().map(|problem| problem.code().as_str());
                tracing::info!(route, status, code, "answered");
            }
            None => tracing::info!(route, status, "answered"),
        }
    }
}
