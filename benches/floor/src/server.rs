//! The server around the work.

use std::{collections::HashMap, env, error::Error};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorInternalServerError, ErrorNotFound, ErrorUnauthorized},
    http::header::{AUTHORIZATION, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web::{self, Bytes, Data},
};
use uuid::Uuid;
use watchme_floor::tokens::{Claims, Verifier};

use crate::store::{Inserts, Rows};

/// What is done for a request.
pub(crate) enum Work {
    /// The body for its path with its query.
    Answers(HashMap<String, Bytes>),
    /// The caller's row.
    Row(Rows),
    /// A new row for the caller and the number at the end of the path.
    Insert(Inserts),
}

struct Floor {
    work: Work,
    tokens: Verifier,
}

/// Serves until it is killed.
pub(crate) async fn serve(work: Work) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .init();
    let floor = Data::new(Floor { work, tokens: Verifier::new(&env::var("JWT_SECRET")?) });
    let server = HttpServer::new(move || {
        App::new().app_data(floor.clone()).wrap(from_fn(named)).default_service(web::to(answer))
    });
    Ok(server.bind(env::var("FLOOR_LISTEN")?)?.run().await?)
}

/// Names a request in its answer and in its line.
async fn named(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    const NAME: HeaderName = HeaderName::from_static("x-request-id");
    let id = Uuid::now_v7().to_string();
    let mut response = next.call(request).await?;
    let request = response.request();
    tracing::info!(
        request_id = id,
        method = %request.method(),
        path = request.path(),
        status = response.status().as_u16(),
        "answered"
    );
    response.headers_mut().insert(NAME, HeaderValue::from_str(&id)?);
    Ok(response)
}

async fn answer(
    request: HttpRequest,
    floor: Data<Floor>,
) -> Result<HttpResponse, actix_web::Error> {
    let caller = caller(&request, &floor.tokens)?;
    match &floor.work {
        Work::Answers(answers) => {
            let uri = request.uri();
            let path = uri.path_and_query().map_or(uri.path(), |whole| whole.as_str());
            let body = answers.get(path).ok_or_else(|| ErrorNotFound("no such path"))?;
            Ok(HttpResponse::Ok().content_type("application/json").body(body.clone()))
        }
        Work::Row(rows) => {
            let found = rows.of(caller.sub).await.map_err(ErrorInternalServerError)?;
            let body = found.ok_or_else(|| ErrorNotFound("no such row"))?;
            Ok(HttpResponse::Ok().content_type("application/json").body(body))
        }
        Work::Insert(inserts) => {
            let number = request.path().rsplit('/').next().and_then(|it| it.parse().ok());
            let number = number.ok_or_else(|| ErrorNotFound("no such path"))?;
            inserts.add(caller.sub, number).await.map_err(ErrorInternalServerError)?;
            Ok(HttpResponse::Created().content_type("application/json").body("{}"))
        }
    }
}

fn caller(request: &HttpRequest, tokens: &Verifier) -> Result<Claims, actix_web::Error> {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| ErrorUnauthorized("no token"))?;
    tokens.verify(token).map_err(ErrorUnauthorized)
}
