//! The documentation that the service serves of itself: the OpenAPI document, Swagger UI, and
//! what the error codes mean.

use std::{fmt::Write, sync::Arc};

use actix_web::{
    HttpResponse, Responder,
    guard::{Any, Get, Head},
    http::{Method, header},
    web::{self, Bytes, Data, Path, ServiceConfig},
};
use utoipa_swagger_ui::Config;

use super::{ErrorCode, Problem, openapi, problem::PROBLEM_TYPES, routes};

const DOCUMENT: &str = "/api/openapi.json";
const UI: &str = "/api/docs/";
/// Swagger UI: its own scripts, styles and pictures (some of them within its styles), and requests to
/// this service. It has no script or style that stands in a page.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                         img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
                         base-uri 'none'; form-action 'none'";
/// Its files change with a release alone.
const UI_CACHE: &str = "public, max-age=3600";

/// The pages that do not change while the process runs.
#[derive(Clone)]
pub(crate) struct Docs {
    document: Bytes,
    problems: Bytes,
    ui: Arc<Config<'static>>,
}

impl Docs {
    pub(crate) fn new() -> Self {
        Self {
            document: openapi::document().into(),
            problems: problems_page().into(),
            ui: Arc::new(Config::from(DOCUMENT)),
        }
    }
}

/// The OpenAPI document
///
/// Generated from the code that serves it.
#[utoipa::path(get, path = "/api/openapi.json", tag = "documentation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn openapi_json(docs: Data<Docs>) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(docs.document.clone())
}

/// Registers what people look at with a browser, which is not part of the document.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let get = || web::route().guard(Any(Get()).or(Head()));
    let refuse = || routes::refuse_method(routes::allowed([Method::GET].iter()));
    for path in ["/", "/api/docs"] {
        config.service(web::resource(path).route(get().to(to_ui)).default_service(refuse()));
    }
    config
        .service(web::resource(PROBLEM_TYPES).route(get().to(problems)).default_service(refuse()))
        .service(
            web::resource("/api/docs/{file:.*}")
                .route(get().to(swagger_ui))
                .default_service(refuse()),
        );
}

async fn to_ui() -> impl Responder {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, UI)).finish()
}

async fn problems(docs: Data<Docs>) -> impl Responder {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(docs.problems.clone())
}

async fn swagger_ui(file: Path<String>, docs: Data<Docs>) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&docs.ui)).map_err(|error| {
        tracing::error!(%error, "a file of Swagger UI could not be made");
        Problem::of(ErrorCode::Internal)
    })?;
    let file = found.ok_or_else(|| Problem::of(ErrorCode::NotFound))?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, UI_POLICY))
        .insert_header((header::CACHE_CONTROL, UI_CACHE));
    if file.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(file.bytes.into_owned()))
}

fn problems_page() -> String {
    let rows = ErrorCode::ALL.iter().fold(String::new(), |mut rows, code| {
        let (word, status, title) = (code.as_str(), code.status().as_u16(), code.title());
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            rows,
            "<tr id=\"{word}\"><td><code>{word}</code></td><td>{status}</td><td>{title}</td></tr>"
        );
        rows
    });
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Errors of WatchMe</title></head><body><h1>Errors</h1>\
         <table><thead><tr><th>code</th><th>status</th><th>meaning</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table></body></html>\n"
    )
}
