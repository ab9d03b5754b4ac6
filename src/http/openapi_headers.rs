//! The headers of answers in the OpenAPI document, as far as they follow from what a route is.

use utoipa::openapi::{
    Header, Object, RefOr, Schema,
    path::{Operation, Parameter},
    schema::{SchemaType, Type},
};

use super::routes::Row;

const REQUEST_ID: (&str, &str) = ("X-Request-Id", "The request's id: the caller's, if well formed");

const QUOTAS: [(&str, &str); 2] = [
    (
        "RateLimit",
        "For each limit: `r` more may come now; after `t` seconds all of it is there again",
    ),
    ("RateLimit-Policy", "For each limit: `q` at once, and as many over each `w` seconds"),
];

/// Adds what answers carry because of their route, their status, or what it says.
pub(crate) fn add_headers(operation: &mut Operation, row: &Row) {
    let of_status = of_status(operation, row);
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let limited = QUOTAS.iter().filter(|_| row.path.starts_with("/api/"));
        let own = of_status.iter().filter(|(of, _)| of == status).map(|(_, header)| header);
        for (name, description) in limited.chain(own).chain([&REQUEST_ID]) {
            response.headers.insert((*name).to_owned(), RefOr::T(header(description)));
        }
    }
}

fn of_status(
    operation: &Operation,
    row: &Row,
) -> Vec<(&'static str, (&'static str, &'static str))> {
    let mut headers = Vec::new();
    let keyed = |it: &RefOr<Parameter>| matches!(it, RefOr::T(it) if it.name == "Idempotency-Key");
    if operation.parameters.iter().flatten().any(keyed) {
        let replayed = "`true` where an earlier request with the key was carried out";
        headers.push(("201", ("Idempotency-Replayed", replayed)));
    }
    if row.name.starts_with("movies_") {
        let stale = "`watchme; hit; detail=stale` where this may be older than it should be";
        headers.push(("200", ("Cache-Status", stale)));
    }
    headers
}

/// A header that holds text.
pub(crate) fn header(description: &str) -> Header {
    let mut header = Header::new(string());
    header.description = Some(description.to_owned());
    header
}

/// The schema of any text.
pub(crate) fn string() -> RefOr<Schema> {
    let mut object = Object::new();
    object.schema_type = SchemaType::Type(Type::String);
    RefOr::T(Schema::Object(object))
}
