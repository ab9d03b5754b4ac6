//! `/auth/password`: changing one's own.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::ports::{AccountError, PasswordChange};

use super::{
    AppState, ErrorCode, Problem,
    auth::{authenticated, presented_password},
    body::RawBody,
    check::Check,
    client_address::client_address,
    effect::carried_through,
    guard::Caller,
    respond, users,
};
use crate::{auth::Password, config::Secret};

/// A change of a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"currentPassword": "correct horse", "newPassword": "battery staple"}))]
pub(crate) struct NewPassword {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    current_password: Secret,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    new_password: Secret,
}

/// Change one's own password
///
/// Ends every other session of the account.
#[utoipa::path(put, path = "/api/v1/auth/password", tag = "auth", request_body = NewPassword,
    responses((status = 204, description = "The new password counts")))]
pub(crate) async fn change(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: NewPassword = body.parse()?;
    let gone = || Problem::of(ErrorCode::AccountInactive);
    let user = state.ports.accounts.user(caller.id).await?.ok_or_else(gone)?;
    let mut check = Check::body();
    presented_password(&mut check, "currentPassword", wanted.current_password.expose());
    let chosen = Password::for_account(wanted.new_password.expose(), &user.email, &user.name);
    let new = check.take("newPassword", chosen);
    let new = match (new, check.done()) {
        (Some(new), Ok(())) => new,
        (_, outcome) => return Err(outcome.err().unwrap_or_else(gone)),
    };
    let attempt = state.throttle.password(user.id, client_address(&req)).await?;
    let found = match authenticated(&state, &user.email, &wanted.current_password).await {
        Ok(found) => found.filter(|found| found.user.id == user.id),
        Err(problem) => {
            attempt.withdraw().await;
            return Err(problem);
        }
    };
    let checked_hash = found.ok_or_else(|| Problem::of(ErrorCode::WrongPassword))?.password_hash;
    attempt.succeeded().await;
    let new_hash = state.passwords.hash(&new).await?;
    let change = PasswordChange { checked_hash, new_hash, keep: caller.session };
    carried_through(async move {
        let now = state.ports.clock.now();
        let changed = state.ports.accounts.change_password(user.id, change, now).await;
        changed.map_err(|error| match error {
            AccountError::NotFound => gone(),
            error => error.into(),
        })?;
        users::standing_changed(&state, user.id).await;
        Ok(respond::no_content())
    })
    .await
}
