//! `/auth/password`: changing one's own.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::{
    domain::UserId,
    ports::{AccountError, PasswordChange},
};

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
    let passwords = state.passwords.for_request();
    let wanted: NewPassword = body.parse()?;
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
    let credentials = (&user.email, &wanted.current_password);
    let checked = async || {
        let found = authenticated(&state, &passwords, credentials).await?;
        Ok(found.filter(|found| found.user.id == user.id).map(|found| found.password_hash))
    };
    let hash = match checked().await {
        Ok(hash) => hash,
        Err(problem) => {
            attempt.withdraw().await;
            return Err(problem);
        }
    };
    let wrong = || Problem::of(ErrorCode::WrongPassword);
    let checked_hash = hash.ok_or_else(wrong)?;
    attempt.succeeded().await;
    let new_hash = passwords.hash(&new).await?;
    let mut change = PasswordChange { checked_hash, new_hash, keep: caller.session };
    if replace(&state, user.id, change.clone()).await? == Replaced::HashChanged {
        // A login renewed the hash, or the password was changed: it is looked at once more.
        change.checked_hash = checked().await?.ok_or_else(wrong)?;
        if replace(&state, user.id, change).await? == Replaced::HashChanged {
            return Err(AccountError::PasswordChanged.into());
        }
    }
    Ok(respond::no_content())
}

#[derive(PartialEq, Eq)]
enum Replaced {
    Done,
    /// Nothing was done: the stored hash is another one by now.
    HashChanged,
}

async fn replace(
    state: &Data<AppState>,
    user: UserId,
    change: PasswordChange,
) -> Result<Replaced, Problem> {
    let state = state.clone();
    carried_through(async move {
        let now = state.ports.clock.now();
        match state.ports.accounts.change_password(user, change, now).await {
            Ok(()) => {
                users::standing_changed(&state, user).await;
                Ok(Replaced::Done)
            }
            Err(AccountError::PasswordChanged) => Ok(Replaced::HashChanged),
            Err(AccountError::NotFound) => Err(gone()),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

fn gone() -> Problem {
    Problem::of(ErrorCode::AccountInactive)
}
