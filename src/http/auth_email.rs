//! `/auth/email`: showing that one reads the mail of an address.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::domain::MailToken;

use super::{
    AppState, ErrorCode, Problem,
    body::RawBody,
    check::Check,
    client_address::client_address,
    effect::carried_through,
    guard::Caller,
    respond::{self, AcceptedBody},
    users::standing_changed,
};
use crate::config::Secret;

const ON_ITS_WAY: &str = "If there is an address to verify, a mail is on its way to it.";

/// The token that a mail brought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80"}))]
pub(crate) struct Verify {
    /// As it came by mail; good for one use.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{43}$")]
    token: Secret,
}

/// Verify an address by a token that came by mail
///
/// An address that the account waits for becomes the account's.
#[utoipa::path(post, path = "/api/v1/auth/email/verify", tag = "auth", request_body = Verify,
    responses((status = 204, description = "The address is verified")))]
pub(crate) async fn verify(body: RawBody, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let wanted: Verify = body.parse()?;
    let mut check = Check::body();
    let Some(token) = check.parse::<MailToken>("token", wanted.token.expose()) else {
        return Err(check.problem());
    };
    carried_through(async move {
        let user = state.ports.mail_tokens.verify_email(&token, state.ports.clock.now()).await?;
        standing_changed(&state, user).await;
        Ok(respond::no_content())
    })
    .await
}

/// Ask for the mail that verifies one's address once more
///
/// It goes to the address that the account waits for, else to its own; nowhere when that is
/// verified.
#[utoipa::path(post, path = "/api/v1/auth/email/verification", tag = "auth",
    responses((status = 202, description = "A mail was queued, if there is an address to verify",
        body = AcceptedBody)))]
pub(crate) async fn send_again(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    state.can_mail()?;
    let user = state.ports.accounts.user(caller.id).await?;
    let user = user.ok_or_else(|| Problem::of(ErrorCode::AccountInactive))?;
    let address = user.pending_email.as_ref().unwrap_or(&user.email);
    state.throttle.forgot(address, client_address(&req)).await?;
    state.ports.mail_queue.ask_verification(caller.id, state.ports.clock.now()).await?;
    respond::accepted(ON_ITS_WAY)
}
