//! `/auth`: making an account and signing in.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchme_actors::{
    domain::{Email, Invalid, PersonName, Role, UserStatus},
    ports::NewAccount,
};

use super::{
    AppState, ErrorCode, Problem, body::RawBody, check::Check, idempotency::Sender, respond,
    shapes::UserBody,
};
use crate::auth::Password;

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse", "name": "Ada"}))]
pub(crate) struct Register {
    /// Unique, compared without regard to case.
    #[schema(format = "email", min_length = 3, max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Make an account
///
/// The account has the role `user`. With an `Idempotency-Key` a repeated request gets the first
/// one's answer instead of 409.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", request_body = Register,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The account", body = UserBody,
        headers(("Location" = String, description = "The account's address")))))]
pub(crate) async fn register(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: Register = body.parse()?;
    let mut check = Check::body();
    let email = check.parse::<Email>("email", &wanted.email);
    let name = check.parse::<PersonName>("name", &wanted.name);
    let password = check.parse::<Password>("password", &wanted.password);
    let (Some(email), Some(name), Some(password)) = (email, name, password) else {
        return Err(check.problem());
    };
    let key = state.fingerprints.key(&req, Sender::Nobody { email: &email }, &body)?;
    let account = NewAccount {
        email,
        name,
        role: Role::User,
        password_hash: state.passwords.hash(&password).await?,
        now: state.ports.clock.now(),
    };
    let created = state.ports.accounts.create(account, key.as_ref()).await?;
    respond::created(created, |user| format!("/api/v1/users/{}", user.id), UserBody::from)
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse"}))]
pub(crate) struct Login {
    #[schema(format = "email", min_length = 3, max_length = 254)]
    email: String,
    #[schema(min_length = 1, max_length = 128)]
    password: String,
}

/// An access token, and how it is used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tokens, example = json!({"accessToken": "eyJ…", "tokenType": "Bearer", "expiresIn": 900}))]
pub(crate) struct TokensBody {
    /// Sent as `Authorization: Bearer …`.
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Seconds.
    #[schema(minimum = 1)]
    expires_in: u64,
}

/// Sign in
///
/// An unknown address and a wrong password give the same answer after the same time.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, description = "An access token", body = TokensBody)))]
pub(crate) async fn login(body: RawBody, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let wanted: Login = body.parse()?;
    let mut check = Check::body();
    let email = check.parse::<Email>("email", &wanted.email);
    if !(1..=Password::MAX).contains(&wanted.password.chars().count()) {
        let accepts = format!("must have 1 to {} characters", Password::MAX);
        check.refuse("password", Invalid::new("wrong_length", accepts));
    }
    let email = match (email, check.done()) {
        (Some(email), Ok(())) => email,
        (_, outcome) => return Err(outcome.err().unwrap_or_else(refused)),
    };
    let found = state.ports.accounts.credentials(&email).await?;
    let hash = found.as_ref().map(|found| found.password_hash.as_str());
    let right = state.passwords.verify(&wanted.password, hash).await?;
    let user = match found {
        Some(found) if right => found.user,
        _ => return Err(refused()),
    };
    if user.status == UserStatus::Disabled {
        return Err(Problem::of(ErrorCode::AccountDisabled));
    }
    let issued = state.tokens.issue(user.id).map_err(|error| {
        tracing::error!(%error, "a token could not be issued");
        Problem::of(ErrorCode::Internal)
    })?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(TokensBody {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
    }))
}

fn refused() -> Problem {
    Problem::of(ErrorCode::InvalidCredentials)
}
