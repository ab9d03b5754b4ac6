//! `/auth/refresh`: the tokens of a session, and staying signed in.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchme_actors::{
    domain::UserId,
    ports::{Rotated, Rotation},
};

use super::{
    AppState, ErrorCode, Problem, body::RawBody, client_address::client_address,
    effect::carried_through, users,
};
use crate::{auth::RefreshToken, config::Secret};

/// An access token, and the refresh token that the next one is got with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tokens, example = json!({"accessToken": "eyJ…", "tokenType": "Bearer",
    "expiresIn": 900, "refreshToken": "AZjx…"}))]
pub(crate) struct TokensBody {
    /// Sent as `Authorization: Bearer …`.
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds until the access token has to be followed by another.
    #[schema(minimum = 1)]
    expires_in: u64,
    /// Good for one use.
    refresh_token: String,
}

/// Who wants to stay signed in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"refreshToken":
    "AZjxAAAAcACAAAAAAAAAAUJvdGggb2YgdGhlc2UgYXJlIG1hZGUgdXAgZm9yIHRoZSBkb2N1bWVudGF0aW9uLg"}))]
pub(crate) struct Refresh {
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    refresh_token: Secret,
}

/// Exchange a refresh token
///
/// For an access token and the next refresh token. The same answer can be had again for a moment
/// (10 s, unless the operator has set another time), in case it was lost. A refresh token that
/// comes again later is in two hands: its session is ended, and a mail says so (to a verified address,
/// once an hour).
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, description = "The next tokens of the session", body = TokensBody)))]
pub(crate) async fn refresh(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: Refresh = body.parse()?;
    state.throttle.refresh(client_address(&req)).await?;
    let unknown = || Problem::of(ErrorCode::InvalidRefreshToken);
    let presented = state.refresh_tokens.read(wanted.refresh_token.expose()).ok_or_else(unknown)?;
    let child = state.refresh_tokens.make(presented.session());
    let rotation = Rotation {
        session: presented.session(),
        presented: presented.hash(),
        child: child.hash(),
        sealed_child: presented.seal(&child),
        now: state.ports.clock.now(),
        idle: state.sessions.idle,
        grace: state.sessions.grace,
    };
    carried_through(async move {
        match state.ports.sessions.rotate(rotation).await? {
            Rotated::Advanced { user } => tokens(&state, user, &child),
            Rotated::Repeated { user, sealed_child } => {
                let child = presented.open(&sealed_child).ok_or_else(unknown)?;
                tokens(&state, user, &child)
            }
            Rotated::Reused { user } => {
                tracing::warn!(%user, "a refresh token came twice: its session was ended");
                users::standing_changed(&state, user).await;
                Err(unknown())
            }
            Rotated::Refused => Err(unknown()),
        }
    })
    .await
}

/// Answers with the tokens of a session.
pub(crate) fn tokens(
    state: &AppState,
    user: UserId,
    refresh_token: &RefreshToken,
) -> Result<HttpResponse, Problem> {
    let issued = state.tokens.issue(user, refresh_token.session()).map_err(|error| {
        tracing::error!(%error, "a token could not be issued");
        Problem::of(ErrorCode::Internal)
    })?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(TokensBody {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
        refresh_token: refresh_token.text(),
    }))
}
