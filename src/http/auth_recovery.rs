//! `/auth/password`: a new password for whoever does not know theirs, by mail.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::domain::{Email, MailToken};

use super::{
    AppState, ErrorCode, Problem,
    body::RawBody,
    check::Check,
    client_address::client_address,
    effect::carried_through,
    respond::{self, AcceptedBody},
    users::standing_changed,
};
use crate::{auth::Password, config::Secret};

const ON_ITS_WAY: &str = "If there is an account with this address, a mail is on its way to it.";

/// Who does not know their password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com"}))]
pub(crate) struct Forgot {
    #[schema(format = "email", min_length = 3, max_length = 254)]
    email: String,
}

/// Ask for a mail that lets one set a new password
///
/// The same answer after the same time for every address, whether it has an account or not.
#[utoipa::path(post, path = "/api/v1/auth/password/forgot", tag = "auth", request_body = Forgot,
    responses((status = 202, description = "A mail was queued, if there is an account",
        body = AcceptedBody)))]
pub(crate) async fn forgot(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: Forgot = body.parse()?;
    let mut check = Check::body();
    let Some(email) = check.parse::<Email>("email", &wanted.email) else {
        return Err(check.problem());
    };
    state.can_mail()?;
    state.throttle.forgot(&email, client_address(&req)).await?;
    state.ports.mail_queue.ask_recovery(&email, state.ports.clock.now()).await?;
    respond::accepted(ON_ITS_WAY)
}

/// A new password, and the token that permits it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80", "password": "correct horse"}))]
pub(crate) struct Reset {
    /// As it came by mail; good for one use.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{43}$")]
    token: Secret,
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: Secret,
}

/// Set a new password by a token that came by mail
///
/// Ends every session of the account and verifies its address. A password that is refused does not
/// use the token up.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "auth", request_body = Reset,
    responses((status = 204, description = "The password is set: sign in with it")))]
pub(crate) async fn reset(body: RawBody, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let passwords = state.passwords.for_request();
    let wanted: Reset = body.parse()?;
    let mut check = Check::body();
    let Some(token) = check.parse::<MailToken>("token", wanted.token.expose()) else {
        return Err(check.problem());
    };
    // Before the costly hash, and once more in the transaction that uses the token.
    let account = state.ports.mail_tokens.recovering(&token, state.ports.clock.now()).await?;
    let account = account.ok_or_else(|| Problem::of(ErrorCode::InvalidMailToken))?;
    let password = Password::for_account(wanted.password.expose(), &account.email, &account.name);
    let password = password.map_err(|reason| Problem::field("password", reason))?;
    let hash = passwords.hash(&password).await?;
    carried_through(async move {
        let now = state.ports.clock.now();
        let user = state.ports.mail_tokens.reset_password(&token, &hash, now).await?;
        standing_changed(&state, user).await;
        state.throttle.forget(&account).await;
        Ok(respond::no_content())
    })
    .await
}
