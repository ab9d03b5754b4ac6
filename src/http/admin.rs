//! `/admin`: what only the operator does.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::{
    domain::{MovieId, Role, UserStatus},
    ports::StandingChange,
};

use super::{
    AppState, ErrorCode, Problem, admin_audit,
    body::{RawBody, given},
    check::Check,
    effect::carried_through,
    respond,
    shapes::{RoleWord, StatusWord, UserBody},
    users,
};

/// An account's standing; at least one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "disabled"}), min_properties = 1)]
pub(crate) struct Standing {
    #[schema(value_type = RoleWord, required = false)]
    #[serde(default, deserialize_with = "given")]
    role: Option<String>,
    #[schema(value_type = StatusWord, required = false)]
    #[serde(default, deserialize_with = "given")]
    status: Option<String>,
}

/// Grant a role, disable or enable an account
///
/// Takes effect on the account's very next request. The last active admin stays one.
#[utoipa::path(patch, path = "/api/v1/admin/users/{id}", tag = "admin",
    params(("id" = Uuid, Path)), request_body = Standing,
    responses((status = 200, description = "The account as it is now", body = UserBody)))]
pub(crate) async fn change_user(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id = users::user_id(&req)?;
    if state.ports.accounts.user(id).await?.is_none() {
        return Err(Problem::of(ErrorCode::UserNotFound));
    }
    let wanted: Standing = body.parse()?;
    let mut check = Check::body();
    let change = StandingChange {
        role: check.optional::<Role>("role", wanted.role.as_deref()),
        status: check.optional::<UserStatus>("status", wanted.status.as_deref()),
    };
    check.done()?;
    if change.role.is_none() && change.status.is_none() {
        return Err(users::nothing_given("`role` and `status`"));
    }
    let now = state.ports.clock.now();
    carried_through(async move {
        let user = state.ports.accounts.change_standing(id, change, now).await?;
        users::standing_changed(&state, id).await;
        respond::ok(&UserBody::from(user))
    })
    .await
}

/// Forget one movie
///
/// Its details are fetched anew, on every replica.
#[utoipa::path(delete, path = "/api/v1/admin/cache/movies/{id}", tag = "admin",
    params(("id" = u32, Path, minimum = 1, maximum = 2147483647)),
    responses((status = 204, description = "It is forgotten")))]
pub(crate) async fn forget_movie(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id: MovieId = respond::path_id(&req, "id", ErrorCode::MovieNotFound)?;
    admin_audit::note(&state, "cache.cleared", "movie", &id.to_string()).await?;
    state.handles.movies.forget(Some(id)).await;
    state.answers.movies_have_changed();
    Ok(respond::no_content())
}

/// Forget every movie
///
/// Pages and details are read anew, on every replica.
#[utoipa::path(delete, path = "/api/v1/admin/cache/movies", tag = "admin",
    responses((status = 204, description = "They are forgotten")))]
pub(crate) async fn forget_movies(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    admin_audit::note(&state, "cache.cleared", "movie", "*").await?;
    state.handles.movies.forget(None).await;
    state.answers.movies_have_changed();
    Ok(respond::no_content())
}
