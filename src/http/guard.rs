//! Who may use a route. It runs before anything of the request is read, so that 401, 403 and 404
//! come before whatever is wrong with query and body.

use std::{
    future::{Ready, ready},
    panic::AssertUnwindSafe,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use futures_util::FutureExt;
use watchme_actors::{
    domain::{Role, SessionId, UserId},
    ports::{Act, Origin, acting},
};

use super::{
    AppState, ErrorCode, Problem,
    client_address::client_address,
    layers::{RequestId, RoutePattern},
    openapi,
    policy::{Access, Asking, decide},
    query,
    routes::Row,
};
use crate::auth::TokenError;

/// Who sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) id: UserId,
    pub(crate) role: Role,
    pub(crate) session: SessionId,
}

impl Caller {
    pub(crate) fn is_admin(self) -> bool {
        self.role == Role::Admin
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = req.extensions().get::<Self>().copied();
        ready(caller.ok_or_else(|| Problem::of(ErrorCode::Unauthenticated)))
    }
}

/// The layer round every handler of the table: notes the route, lets in who may, and turns a
/// panic into a 500.
pub(crate) async fn enter<B: MessageBody + 'static>(
    row: &'static Row,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    req.extensions_mut().insert(RoutePattern(row.path));
    if row.access != Access::Public {
        match admit(row.access, req.request()).await {
            Ok(caller) => {
                req.extensions_mut().insert(caller);
            }
            Err(problem) => {
                // Not `into_response`, which would lose the problem that the answer was made of.
                let (request, _) = req.into_parts();
                return Ok(ServiceResponse::new(request, HttpResponse::from_error(problem)));
            }
        }
    }
    if !req.query_string().is_empty()
        && openapi::takes_no_query(row.name)
        && let Err(problem) = query::none(req.request())
    {
        let (request, _) = req.into_parts();
        return Ok(ServiceResponse::new(request, HttpResponse::from_error(problem)));
    }
    let request = req.request().clone();
    let handling = acting(act_of(&request), next.call(req));
    // A handler holds nothing that a panic could leave half done: stores roll back.
    match AssertUnwindSafe(handling).catch_unwind().await {
        Ok(outcome) => outcome.map(ServiceResponse::map_into_boxed_body),
        Err(_) => {
            let problem = Problem::of(ErrorCode::Internal);
            Ok(ServiceResponse::new(request, HttpResponse::from_error(problem)))
        }
    }
}

/// The circumstances that the audit log puts the request's changes down to.
fn act_of(req: &HttpRequest) -> Act {
    let extensions = req.extensions();
    Act {
        origin: Origin::Request,
        actor: extensions.get::<Caller>().map(|caller| caller.id),
        address: Some(client_address(req)),
        request_id: extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
    }
}

async fn admit(access: Access, req: &HttpRequest) -> Result<Caller, Problem> {
    let token = bearer(req)?;
    let state =
        req.app_data::<web::Data<AppState>>().ok_or_else(|| Problem::of(ErrorCode::Internal))?;
    let claims = state.tokens.verify(token).map_err(|error| match error {
        TokenError::Invalid => Problem::of(ErrorCode::InvalidToken),
        TokenError::Expired => Problem::of(ErrorCode::TokenExpired),
    })?;
    let standing = state.gate.standing(claims.sub, claims.sid).await?;
    let asking = Asking { user: claims.sub, standing, of_path: path_user(req) };
    match decide(access, asking, &state.settings) {
        Ok(role) => Ok(Caller { id: claims.sub, role, session: claims.sid }),
        Err(ErrorCode::NotOwner) if !exists(state, asking.of_path).await? => {
            Err(Problem::of(ErrorCode::UserNotFound))
        }
        Err(code) => Err(Problem::of(code)),
    }
}

async fn exists(state: &AppState, user: Option<UserId>) -> Result<bool, Problem> {
    let Some(user) = user else { return Ok(false) };
    Ok(state.ports.accounts.user(user).await?.is_some())
}

fn path_user(req: &HttpRequest) -> Option<UserId> {
    req.match_info().get("id")?.parse().ok()
}

/// The token of `Authorization: Bearer …`; the word is compared without regard to case.
fn bearer(req: &HttpRequest) -> Result<&str, Problem> {
    let none = || Problem::of(ErrorCode::Unauthenticated);
    let mut sent = req.headers().get_all(header::AUTHORIZATION);
    let value = sent.next().ok_or_else(none)?;
    // Two tokens: a proxy may have looked at the other one.
    if sent.next().is_some() {
        return Err(Problem::of(ErrorCode::InvalidToken));
    }
    // Looked at once more when it is verified; `to_str` would go through it byte by byte.
    let sent = str::from_utf8(value.as_bytes()).ok();
    let (scheme, token) = sent.and_then(|sent| sent.split_once(' ')).ok_or_else(none)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_ascii()) } else { Err(none()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::{
        App, HttpResponse,
        http::{Method, StatusCode},
        middleware::from_fn,
        test::{self, TestRequest},
    };

    use super::*;

    const fn row(access: Access) -> Row {
        let (method, handler) = (Method::GET, web::route as fn() -> actix_web::Route);
        Row { method, path: "/", name: "test", access, errors: &[], handler }
    }

    static OPEN: Row = row(Access::Public);
    static CLOSED: Row = row(Access::User);

    async fn code(row: &'static Row) -> (StatusCode, Option<ErrorCode>) {
        let panics = web::get().to(async || -> HttpResponse { panic!("on purpose") });
        let guarded = panics.wrap(from_fn(move |req, next| enter(row, req, next)));
        let app = test::init_service(App::new().route("/", guarded)).await;
        let response = test::call_service(&app, TestRequest::default().to_request()).await;
        let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
        (response.status(), problem.map(Problem::code))
    }

    #[actix_web::test]
    async fn a_panic_becomes_a_problem() {
        let answered = code(&OPEN).await;
        assert_eq!(answered, (StatusCode::INTERNAL_SERVER_ERROR, Some(ErrorCode::Internal)));
    }

    #[actix_web::test]
    async fn a_refusal_keeps_its_problem() {
        let answered = code(&CLOSED).await;
        assert_eq!(answered, (StatusCode::UNAUTHORIZED, Some(ErrorCode::Unauthenticated)));
    }

    #[core::prelude::v1::test]
    fn a_token_is_taken_out_of_one_header() {
        let token = |values: &[&'static str]| {
            let mut request = TestRequest::default();
            for value in values {
                request = request.append_header((header::AUTHORIZATION, *value));
            }
            let request = request.to_http_request();
            bearer(&request).map(str::to_owned).map_err(|problem| problem.code())
        };
        assert_eq!(token(&["Bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(token(&["bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(token(&[]), Err(ErrorCode::Unauthenticated));
        assert_eq!(token(&["Basic abc"]), Err(ErrorCode::Unauthenticated));
        assert_eq!(token(&["Bearer"]), Err(ErrorCode::Unauthenticated));
        assert_eq!(token(&["Bearer a", "Bearer b"]), Err(ErrorCode::InvalidToken));
        assert_eq!(token(&["Bearer \t abc "]), Ok("abc".to_owned()));
        assert_eq!(token(&["Bearer abc\u{a0}"]), Ok("abc\u{a0}".to_owned()), "no token of ours");
    }
}
