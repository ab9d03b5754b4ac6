//! Completes the OpenAPI document out of the route table: who may, which errors come, what every
//! answer carries.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::LazyLock,
};

use actix_web::http::Method;
use serde_json::json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, ContentBuilder, Info, Ref, RefOr, Required, Response, Tag,
        example::{Example, ExampleBuilder},
        extensions::ExtensionsBuilder,
        path::{Operation, Parameter, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    ErrorCode, FieldError,
    openapi_headers::{add_headers, header, string},
    openapi_texts::refine,
    policy::Access,
    problem::{PROBLEM_TYPES, ProblemBody},
    routes::{ApiDoc, Row, TABLE},
};

const BEARER: &str = "bearer";

/// The document as JSON.
#[must_use]
pub fn document() -> String {
    // Only maps with text keys and plain values: encoding them cannot fail.
    let mut document = serde_json::to_value(ApiDoc::openapi()).unwrap_or_default();
    refine(&mut document);
    format!("{document:#}")
}

/// Adds what follows from the table.
pub(crate) struct Complete;

impl Modify for Complete {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let mut info = Info::new("WatchMe", env!("CARGO_PKG_VERSION"));
        info.description = Some(DESCRIPTION.to_owned());
        document.info = info;
        document.tags = Some(TAGS.iter().map(|(name, text)| tag(name, text)).collect());
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components
            .security_schemes
            .insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer)));
        for (name, schema) in [
            ("Problem", <ProblemBody<'_> as utoipa::PartialSchema>::schema()),
            ("FieldError", <FieldError as utoipa::PartialSchema>::schema()),
        ] {
            components.schemas.insert(name.to_owned(), schema);
        }
        for code in ErrorCode::ALL {
            let example = ExampleBuilder::new().summary(code.title()).value(Some(example(*code)));
            components.examples.insert(code.as_str().to_owned(), RefOr::T(example.build()));
        }
        for row in TABLE {
            let item = document.paths.paths.get_mut(row.path);
            if let Some(operation) = item.and_then(|item| operation(item, row)) {
                complete(operation, row);
            }
        }
    }
}

/// Whether an operation below `/api/v1` has no query parameters: what is sent all the same is refused
/// instead of being taken for understood.
pub(crate) fn takes_no_query(name: &str) -> bool {
    static WITHOUT: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let mut document = ApiDoc::openapi();
        let without = TABLE.iter().filter(|row| row.path.starts_with("/api/v1/")).filter(|row| {
            let item = document.paths.paths.get_mut(row.path);
            let parameters = item.and_then(|item| operation(item, row)?.parameters.as_ref());
            parameters.is_none_or(|all| all.iter().all(|it| !is_query(it)))
        });
        without.map(|row| row.name).collect()
    });
    WITHOUT.contains(name)
}

fn is_query(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Query)
}

pub(crate) fn operation<'a>(item: &'a mut PathItem, row: &Row) -> Option<&'a mut Operation> {
    match row.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn complete(operation: &mut Operation, row: &Row) {
    operation.operation_id = Some(row.name.to_owned());
    operation.extensions =
        Some(ExtensionsBuilder::new().add("x-access", row.access.as_str()).build());
    if row.access != Access::Public {
        let none: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(BEARER, none)]);
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes(operation, row) {
        by_status.entry(code.status().as_u16()).or_default().push(code);
    }
    for (status, codes) in by_status {
        operation
            .responses
            .responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(problem_response(&codes)));
    }
    if row.method == Method::GET && row.name != "packages_read" {
        conditional(operation);
    }
    add_headers(operation, row);
}

/// A read whose answer has a tag can be asked whether that still holds.
fn conditional(operation: &mut Operation) {
    let tag = match operation.responses.responses.get("200") {
        Some(RefOr::T(response)) => response.headers.get("ETag").cloned(),
        _ => None,
    };
    let Some(tag) = tag else { return };
    let mut unchanged = Response::new("What is known is still so");
    unchanged.headers.insert("ETag".to_owned(), tag);
    operation.responses.responses.insert("304".to_owned(), RefOr::T(unchanged));
    let mut known = Parameter::new("If-None-Match");
    known.parameter_in = ParameterIn::Header;
    known.required = Required::False;
    known.description = Some("`ETag`s of what is known, or `*`".to_owned());
    known.schema = Some(string());
    operation.parameters.get_or_insert_default().push(RefOr::T(known));
}

/// Every code that an operation may answer with.
fn codes(operation: &Operation, row: &Row) -> BTreeSet<ErrorCode> {
    use ErrorCode as C;
    let mut codes: BTreeSet<C> = row.errors.iter().copied().collect();
    codes.extend([C::MalformedRequest, C::NotAcceptable, C::Internal]);
    codes.extend(row.access.refusals());
    if row.path.starts_with("/api/") {
        codes.insert(C::TooManyRequests);
    }
    if row.path.starts_with("/api/v1/") || row.path == "/readyz" {
        codes.extend([C::StoreUnavailable, C::Overloaded]);
    }
    if row.path.starts_with("/api/v1/") {
        codes.insert(C::InvalidQuery);
    }
    if operation.request_body.is_some() {
        codes.extend([
            C::MalformedJson,
            C::RequestTimeout,
            C::BodyTooLarge,
            C::UnsupportedMediaType,
            C::ValidationFailed,
        ]);
    }
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        match (&parameter.parameter_in, parameter.name.as_str()) {
            (ParameterIn::Query, _) => codes.extend([C::InvalidQuery]),
            (ParameterIn::Header, "If-Match") => {
                codes.extend([C::InvalidHeader, C::PreconditionRequired]);
            }
            (ParameterIn::Header, "Idempotency-Key") => {
                codes.extend([C::InvalidHeader, C::IdempotencyKeyReused]);
            }
            _ => {}
        }
    }
    codes
}

fn problem_response(codes: &[ErrorCode]) -> Response {
    let words: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let examples = codes.iter().map(|code| {
        let place = format!("#/components/examples/{}", code.as_str());
        (code.as_str(), RefOr::<Example>::Ref(Ref::new(place)))
    });
    let content: Content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = Response::new(words.join(", "));
    response.content.insert("application/problem+json".to_owned(), content.into());
    let mut add = |name: &str, text: &str| {
        response.headers.insert(name.to_owned(), RefOr::T(header(text)));
    };
    match codes.first().map(|code| code.status().as_u16()) {
        Some(401) => add("WWW-Authenticate", "`Bearer`, and why a token was refused"),
        Some(429 | 503) => add("Retry-After", "Seconds after which to try again"),
        _ => {}
    }
    response
}

fn example(code: ErrorCode) -> serde_json::Value {
    json!({
        "type": format!("{PROBLEM_TYPES}#{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.title(),
        "code": code.as_str(),
        "instance": "0190f5fe-7c00-7a00-8000-000000000009",
    })
}

fn tag(name: &str, text: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(text.to_owned());
    tag
}

const TAGS: &[(&str, &str)] = &[
    ("auth", "Making an account, signing in and out"),
    ("users", "Accounts"),
    ("genres", "The list that is synced with TMDb"),
    ("packages", "Named sets of genres, in versions"),
    ("subscriptions", "Who holds which package"),
    ("entitlements", "What one may see"),
    ("movies", "The catalogue"),
    ("watched", "What one has watched"),
    ("reports", "What users have watched, in four fields"),
    ("admin", "What only the operator does"),
    ("operation", "Probes and metrics"),
    ("documentation", "What the service says of itself"),
];

const DESCRIPTION: &str = "A subscription film catalogue. An operator sells packages; a package \
enables genres; a user who subscribes to packages may see and mark as watched the films of those \
genres, and gets a report of what they watched.\n\n\
Every error is `application/problem+json` (RFC 9457) with a stable `code`. Checks come in this \
order: 401, then whether the caller may (403, 404), then the form (400, 415, 413, 422, 428), then \
409 and 412. Every `GET` answers `HEAD` too. Reads with an `ETag` honour `If-None-Match` with 304.\n\n\
This product uses TMDB and the TMDB APIs but is not endorsed, certified, or otherwise approved by TMDB.";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &Value)| {
            let item = item.as_object().unwrap();
            item.iter()
                .filter(|(method, _)| METHODS.contains(&method.as_str()))
                .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    #[test]
    fn the_document_and_the_table_have_the_same_routes() {
        let documented: BTreeSet<_> =
            operations(&parsed()).into_iter().map(|(method, path, _)| (method, path)).collect();
        let routed: BTreeSet<_> =
            TABLE.iter().map(|row| (row.method.to_string(), row.path.to_owned())).collect();
        assert_eq!(routed.len(), TABLE.len(), "a route stands in the table twice");
        assert_eq!(documented, routed);
    }

    #[test]
    fn every_operation_says_who_may_and_what_can_go_wrong() {
        let document = parsed();
        let mut ids = HashSet::new();
        for row in TABLE {
            let operation =
                &document["paths"][row.path][row.method.as_str().to_lowercase().as_str()];
            let name = format!("{} {}", row.method, row.path);
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            assert_eq!(operation["x-access"], row.access.as_str(), "{name}");
            let public = row.access == Access::Public;
            assert_eq!(operation["security"].is_null(), public, "{name}");
            if !public {
                let refused = operation["responses"]["401"]["description"].as_str().unwrap();
                assert!(refused.contains("`unauthenticated`"), "{name}");
            }
            for code in row.errors {
                let response = &operation["responses"][code.status().as_str()];
                let text = response["description"].as_str().unwrap_or_default();
                assert!(text.contains(code.as_str()), "{name} does not tell of {}", code.as_str());
            }
            for place in row.path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let parameter = place.trim_end_matches('}');
                let known = operation["parameters"].as_array().unwrap();
                assert!(
                    known.iter().any(|p| p["name"] == parameter && p["in"] == "path"),
                    "{name} does not describe {parameter}"
                );
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        found.push(reference.clone());
                    }
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = parsed();
        assert_eq!(document["openapi"], "3.1.0");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }
}
