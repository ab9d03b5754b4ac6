//! Every error as `application/problem+json` (RFC 9457).

mod codes;
mod conversions;

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{HttpResponse, ResponseError, http::StatusCode, http::header};
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::domain::Invalid;

pub use codes::ErrorCode;

/// Where the codes are explained; a code's own page is the fragment.
pub(crate) const PROBLEM_TYPES: &str = "/api/docs/problems";
const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal, on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    code: ErrorCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    instance: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"field": "email", "code": "not_an_email", "message": "must be an e-mail address such as ada@example.com"}))]
pub struct FieldError {
    /// The field's path, such as `genreIds[2]`.
    pub field: String,
    /// Stable, snake_case.
    pub code: Cow<'static, str>,
    /// Says what is accepted.
    pub message: String,
}

/// The body of every 4xx and 5xx answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    /// A short sentence, the same for every occurrence of the code.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// Stable, snake_case: what programs branch on.
    code: &'a str,
    /// The id of the request, as in `X-Request-Id`.
    #[schema(required = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// What is wrong with which field; only where values were refused.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem with a sentence about this occurrence. The sentence goes to the client: it must
    /// not tell of tables, paths or anything else of the inside.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = matches!(
            code.status(),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        )
        .then_some(Duration::from_secs(1));
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after,
            allow: None,
            instance: None,
        }
    }

    /// A problem that its code says everything about.
    #[must_use]
    pub fn of(code: ErrorCode) -> Self {
        Self::new(code, code.title())
    }

    /// Values that were refused.
    #[must_use]
    pub fn invalid(code: ErrorCode, errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("`{}` {}", one.field, one.message),
            several => format!("{} values are not valid", several.len()),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// One field of a body that was refused.
    #[must_use]
    pub fn field(field: &str, reason: Invalid) -> Self {
        Self::invalid(ErrorCode::ValidationFailed, vec![FieldError::new(field, reason)])
    }

    /// After how long the client may try again, rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The methods that the address does answer.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this address answers {allow}");
        Self { allow: Some(allow), ..Self::new(ErrorCode::MethodNotAllowed, detail) }
    }

    /// A problem for an error that the framework answered.
    pub(crate) fn of_framework(status: StatusCode, allow: Option<String>) -> Self {
        Self { allow, ..Self::of(ErrorCode::of_status(status)) }
    }

    /// The same problem, for the request with this id.
    pub(crate) fn for_request(self, id: &str) -> Self {
        Self { instance: Some(id.to_owned()), ..self }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What is wrong with which field.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The answer.
    pub(crate) fn response(&self) -> HttpResponse {
        let status = self.code.status();
        let mut response = HttpResponse::build(status);
        response.content_type(MEDIA_TYPE).insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, self.challenge()));
        }
        if matches!(self.code, ErrorCode::BodyTooLarge | ErrorCode::RequestTimeout) {
            // What is left of the body would be read as the next request.
            response.force_close();
        }
        if let Some(id) = &self.instance {
            response.insert_header((super::layers::REQUEST_ID_HEADER, id.as_str()));
        }
        response.json(ProblemBody {
            kind: format!("{PROBLEM_TYPES}#{}", self.code.as_str()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            instance: self.instance.as_deref(),
            errors: &self.errors,
        })
    }

    fn challenge(&self) -> &'static str {
        match self.code {
            ErrorCode::InvalidToken
            | ErrorCode::TokenExpired
            | ErrorCode::AccountInactive
            | ErrorCode::SessionEnded => r#"Bearer realm="watchme", error="invalid_token""#,
            _ => r#"Bearer realm="watchme""#,
        }
    }
}

impl FieldError {
    /// A field and why it was refused.
    #[must_use]
    pub fn new(field: &str, reason: Invalid) -> Self {
        Self { field: field.to_owned(), code: reason.code.into(), message: reason.message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}
