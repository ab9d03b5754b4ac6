//! `/users`: accounts.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{Email, Invalid, PersonName, Role, UserId, UserStatus, bounded_line},
    ports::{Change, ProfileChange, UserFilter},
};

use super::{
    AppState, ErrorCode, Problem,
    body::RawBody,
    check::Check,
    client_address::client_address,
    effect::carried_through,
    guard::Caller,
    pages::{self, PageBody},
    query, respond,
    shapes::{RoleWord, StatusWord, UserBody},
};

/// Read one's own account
#[utoipa::path(get, path = "/api/v1/users/me", tag = "users",
    responses((status = 200, description = "The caller's account", body = UserBody)))]
pub(crate) async fn me(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let user = state.ports.accounts.user(caller.id).await?;
    let user = user.ok_or_else(|| Problem::of(ErrorCode::AccountInactive))?;
    respond::ok(&UserBody::from(user))
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Text that the address contains, without regard to case.
    #[param(required = false, min_length = 1, max_length = 254)]
    email: Option<String>,
    /// Text that the name contains, without regard to case.
    #[param(required = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Only accounts of this role.
    #[param(value_type = RoleWord, required = false)]
    role: Option<String>,
    /// Only accounts of this status.
    #[param(value_type = StatusWord, required = false)]
    status: Option<String>,
}

/// List accounts
///
/// In the order of their making. Filters combine.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(UsersQuery),
    responses((status = 200, description = "A page of accounts", body = PageBody<UserBody>)))]
pub(crate) async fn list(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let wanted: UsersQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let text = |check: &mut Check, field: &str, text: Option<String>, most: usize| {
        text.and_then(|text| check.take(field, bounded_line(&text, most)))
    };
    let filter = UserFilter {
        email: text(&mut check, "email", wanted.email, 254),
        name: text(&mut check, "name", wanted.name, 100),
        role: check.optional::<Role>("role", wanted.role.as_deref()),
        status: check.optional::<UserStatus>("status", wanted.status.as_deref()),
    };
    check.done()?;
    let found = state.ports.accounts.users(&filter, page).await?;
    respond::ok(&PageBody::from(found.map(UserBody::from)))
}

/// Read an account
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The account", body = UserBody)))]
pub(crate) async fn read(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let id = user_id(&req)?;
    let user = state.ports.accounts.user(id).await?;
    respond::ok(&UserBody::from(user.ok_or_else(|| Problem::of(ErrorCode::UserNotFound))?))
}

/// A profile.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada", "email": "ada@example.com"}))]
pub(crate) struct Profile {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Unique, compared without regard to case.
    #[schema(format = "email", min_length = 3, max_length = 254)]
    email: String,
}

/// Change one's own profile
///
/// Only the owner may, admins included. Where addresses are verified, another address is the
/// account's `pendingEmail` until a token that is mailed to it comes back; the address that the
/// account has drops that.
#[utoipa::path(put, path = "/api/v1/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    request_body = Profile,
    responses((status = 200, description = "The account as it is now", body = UserBody)))]
pub(crate) async fn replace(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: Profile = body.parse()?;
    let mut check = Check::body();
    let name = check.parse::<PersonName>("name", &wanted.name);
    let email = check.parse::<Email>("email", &wanted.email);
    let (Some(name), Some(email)) = (name, email) else { return Err(check.problem()) };
    let verified_first = state.settings.email_verification;
    let user = state.ports.accounts.user(caller.id).await?;
    let user = user.ok_or_else(|| Problem::of(ErrorCode::AccountInactive))?;
    let waits = verified_first && user.pending_email.as_ref() == Some(&email);
    if user.email != email && !waits {
        if verified_first {
            state.can_mail()?;
        }
        // Without verification, too: it is told whether the address is taken, and mails are sent.
        state.throttle.forgot(&email, client_address(&req)).await?;
    }
    let change = ProfileChange { name, email, verified_first };
    let now = state.ports.clock.now();
    let user = state.ports.accounts.change_profile(caller.id, change, now).await?;
    respond::ok(&UserBody::from(user))
}

/// Delete an account
///
/// Everything that belongs to it goes with it, from every store.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 204, description = "The account is gone")))]
pub(crate) async fn delete(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id = user_id(&req)?;
    carried_through(async move {
        let deleting = state.ports.accounts.delete(id, state.ports.clock.now());
        state.watched_at.changing(id, deleting).await?;
        // A package tells who made it as long as there is such an account.
        state.answers.packages_have_changed();
        standing_changed(&state, id).await;
        Ok(respond::no_content())
    })
    .await
}

pub(crate) fn user_id(req: &HttpRequest) -> Result<UserId, Problem> {
    respond::path_id(req, "id", ErrorCode::UserNotFound)
}

/// Lets nobody here use what an account or a session of it was allowed before, and tells the other
/// replicas.
pub(crate) async fn standing_changed(state: &AppState, user: UserId) {
    state.gate.forget(user);
    state.ports.changes.announce(Change::Account(user)).await;
}

/// Refuses a body that changes nothing.
pub(crate) fn nothing_given(fields: &str) -> Problem {
    Problem::field("body", Invalid::new("nothing_given", format!("must have one of {fields}")))
}
