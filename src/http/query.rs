//! The query string: unknown parameters are refused, wrong ones named.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{ErrorCode, FieldError, Problem, body::explain};

/// The query of a request, as texts. What they mean is the handler's.
///
/// # Errors
/// 400 that names the parameter.
pub(crate) fn parse<T: DeserializeOwned>(req: &HttpRequest) -> Result<T, Problem> {
    parse_text(req.query_string())
}

/// The same of a query that stands by itself.
///
/// # Errors
/// 400 that names the parameter.
pub(crate) fn parse_text<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let deserializer = serde_html_form::Deserializer::new(pairs);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        let error = match explain(&path, &message) {
            // The one thing that can be wrong with a text: it came more than once.
            error if error.code == "invalid_type" => FieldError {
                code: "duplicate".into(),
                message: "must be given once".to_owned(),
                ..error
            },
            error if error.code == "unknown_field" => {
                FieldError { message: "is not a known parameter".to_owned(), ..error }
            }
            error => error,
        };
        Problem::invalid(ErrorCode::InvalidQuery, vec![error])
    })
}

/// Whether the query has a parameter, whatever else it has.
pub(crate) fn has(req: &HttpRequest, name: &str) -> bool {
    form_urlencoded::parse(req.query_string().as_bytes()).any(|(found, _)| found == name)
}

/// Refuses any parameter, for routes that take none.
///
/// # Errors
/// 400 that names the parameter.
pub(crate) fn none(req: &HttpRequest) -> Result<(), Problem> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    parse::<Nothing>(req).map(|Nothing {}| ())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
    struct Sample {
        page_number: Option<String>,
        genre_id: Vec<String>,
    }

    fn parsed(query: &str) -> Result<Sample, Problem> {
        parse(&TestRequest::with_uri(&format!("/?{query}")).to_http_request())
    }

    #[test]
    fn parameters_may_be_left_out_and_some_repeated() {
        assert_eq!(parsed("").unwrap(), Sample::default());
        let sample = parsed("genreId=1&pageNumber=&genreId=%32").unwrap();
        assert_eq!(sample.genre_id, ["1", "2"]);
        assert_eq!(sample.page_number.as_deref(), Some(""), "empty is not missing");
    }

    #[test]
    fn what_is_unknown_or_doubled_is_named() {
        for (query, field, code) in [
            ("pagenumber=1", "pagenumber", "unknown_field"),
            ("pageNumber=1&pageNumber=2", "pageNumber", "duplicate"),
        ] {
            let problem = parsed(query).unwrap_err();
            assert_eq!(problem.code(), ErrorCode::InvalidQuery);
            let error = problem.errors().first().unwrap();
            assert_eq!((error.field.as_str(), &*error.code), (field, code));
        }
    }
}
