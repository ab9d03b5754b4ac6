//! `/auth/sessions` and `/auth/logout`: where one is signed in, and signing out.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::domain::{Session, SessionId, Timestamp};

use super::{
    AppState, ErrorCode, Problem,
    check::Check,
    effect::carried_through,
    guard::Caller,
    pages::{self, PageBody},
    query, respond, users,
};

/// What a login has begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session, example = json!({
    "id": "0190f5fe-7c00-7a00-8000-000000000008", "createdAt": "2026-03-01T20:15:00Z",
    "lastUsedAt": "2026-03-02T07:30:00Z", "expiresAt": "2026-04-01T07:30:00Z",
    "userAgent": "Mozilla/5.0", "address": "203.0.113.7", "current": true}))]
pub(crate) struct SessionBody {
    #[schema(value_type = Uuid)]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its tokens were last refreshed.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// When it ends unless its tokens are refreshed before.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// What the client said of itself at login; null where it said nothing.
    #[schema(required = true, max_length = 200)]
    user_agent: Option<String>,
    /// Where the client was at login.
    #[schema(required = true, max_length = 45)]
    address: Option<String>,
    /// Whether this request belongs to it.
    current: bool,
}

impl SessionBody {
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.used_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            address: session.address.map(|address| address.to_string()),
            current: session.id == current,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionsQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

/// List one's sessions
///
/// Those that live, the newest first; at most 100.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "auth", params(SessionsQuery),
    responses((status = 200, description = "A page of sessions", body = PageBody<SessionBody>)))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: SessionsQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    check.done()?;
    let found = state.ports.sessions.sessions(caller.id, page, state.ports.clock.now()).await?;
    let found = found.map(|session| SessionBody::new(session, caller.session));
    respond::ok(&PageBody::from(found))
}

/// End one of one's sessions
///
/// Its tokens count no longer.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "auth",
    params(("id" = Uuid, Path)), responses((status = 204, description = "It has ended")))]
pub(crate) async fn end(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = respond::path_id(&req, "id", ErrorCode::SessionNotFound)?;
    if end_session(state, caller, session).await? {
        Ok(respond::no_content())
    } else {
        Err(Problem::of(ErrorCode::SessionNotFound))
    }
}

/// Sign out
///
/// Ends the session of the access token, on every device that shares it.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth",
    responses((status = 204, description = "The session has ended")))]
pub(crate) async fn logout(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    // One that somebody else has ended meanwhile has ended all the same.
    end_session(state, caller, caller.session).await?;
    Ok(respond::no_content())
}

async fn end_session(
    state: Data<AppState>,
    caller: Caller,
    session: SessionId,
) -> Result<bool, Problem> {
    carried_through(async move {
        let now = state.ports.clock.now();
        let lived = state.ports.sessions.end(caller.id, session, now).await?;
        if lived {
            users::standing_changed(&state, caller.id).await;
        }
        Ok(lived)
    })
    .await
}
