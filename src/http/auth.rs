//! `/auth`: making an account and signing in.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::{
    domain::{Email, Invalid, PersonName, Role, SessionId, UserId, UserStatus},
    ports::{BeginError, Credentials, NO_PASSWORD, NewAccount, NewSession, acting_as},
};

use super::{
    AppState, ErrorCode, Problem,
    auth_refresh::{TokensBody, tokens},
    body::RawBody,
    check::Check,
    client_address::client_address,
    idempotency::Sender,
    respond::{self, AcceptedBody},
    shapes::UserBody,
};
use crate::{
    auth::{Password, Passwords},
    config::Secret,
};

/// Of what a client says of itself so many characters are kept.
const USER_AGENT: usize = 200;

const LOOK_AT_YOUR_MAILS: &str = "A mail is on its way to the address and says what to do next.";

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse", "name": "Ada"}))]
pub(crate) struct Register {
    /// Unique, compared without regard to case.
    #[schema(format = "email", min_length = 3, max_length = 254)]
    email: String,
    /// None of the most common ones, and neither the address nor the name.
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: Secret,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Make an account
///
/// The account has the role `user`. With an `Idempotency-Key` a repeated request gets the first
/// one's answer instead of 409.
///
/// Where addresses are verified, the answer is 202 and the same for every address: what there is to
/// do, a mail says to the address.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", request_body = Register,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The account", body = UserBody,
        headers(("Location" = String, description = "The account's address"))),
        (status = 202, description = "Where addresses are verified: a mail was queued",
            body = AcceptedBody)))]
pub(crate) async fn register(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let passwords = state.passwords.for_request();
    let wanted: Register = body.parse()?;
    let mut check = Check::body();
    let email = check.parse::<Email>("email", &wanted.email);
    let name = check.parse::<PersonName>("name", &wanted.name);
    let password = match (&email, &name) {
        (Some(email), Some(name)) => Password::for_account(wanted.password.expose(), email, name),
        _ => wanted.password.expose().parse(),
    };
    let password = check.take("password", password);
    let (Some(email), Some(name), Some(password)) = (email, name, password) else {
        return Err(check.problem());
    };
    let key = state.fingerprints.key(&req, Sender::Nobody { email: &email }, &body)?;
    let verified = !state.settings.email_verification;
    if !verified {
        state.can_mail()?;
    }
    state.throttle.register(client_address(&req)).await?;
    if !verified {
        state.throttle.forgot(&email, client_address(&req)).await?;
    }
    let account = NewAccount {
        email,
        email_verified: verified,
        name,
        role: Role::User,
        password_hash: passwords.hash(&password).await?,
        now: state.ports.clock.now(),
    };
    if !verified {
        let registered = state.ports.accounts.register(account, key.as_ref()).await?;
        return respond::accepted_once(registered, LOOK_AT_YOUR_MAILS);
    }
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
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    password: Secret,
}

/// Sign in
///
/// Begins a session. An unknown address and a wrong password give the same answer after the same
/// time.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, description = "The tokens of a new session", body = TokensBody)))]
pub(crate) async fn login(
    req: HttpRequest,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let passwords = state.passwords.for_request();
    let wanted: Login = body.parse()?;
    let mut check = Check::body();
    let email = check.parse::<Email>("email", &wanted.email);
    presented_password(&mut check, "password", wanted.password.expose());
    let email = match (email, check.done()) {
        (Some(email), Ok(())) => email,
        (_, outcome) => return Err(outcome.err().unwrap_or_else(refused)),
    };
    let attempt = state.throttle.login(&email, client_address(&req)).await?;
    let credentials = (&email, &wanted.password);
    let mut began = sign_in(&req, &state, &passwords, credentials).await;
    if matches!(began, Ok(Some(Began::HashChanged))) {
        // Another login renewed the hash, or the password was changed: it is looked at once more.
        began = sign_in(&req, &state, &passwords, credentials).await;
    }
    match began {
        Ok(Some(Began::Session { answer, user, checked_hash })) => {
            attempt.succeeded().await;
            // Last: a client that does not wait for it has signed in all the same.
            let accounts = &*state.ports.accounts;
            passwords.renew(accounts, user, wanted.password.expose(), &checked_hash).await;
            Ok(answer)
        }
        Ok(Some(Began::HashChanged)) => {
            attempt.withdraw().await;
            let detail = "the account was being changed at this moment: try again";
            Err(Problem::new(ErrorCode::Overloaded, detail))
        }
        Ok(None) => Err(refused()),
        Err(problem) => {
            attempt.withdraw().await;
            Err(problem)
        }
    }
}

/// What came of a right password.
enum Began {
    /// A session, and the answer that gives its tokens.
    Session { answer: HttpResponse, user: UserId, checked_hash: String },
    /// Nothing: the stored hash is another one by now.
    HashChanged,
}

/// The account that this password opens.
pub(crate) async fn authenticated(
    state: &AppState,
    passwords: &Passwords,
    (email, password): (&Email, &Secret),
) -> Result<Option<Credentials>, Problem> {
    let found = state.ports.accounts.credentials(email).await?;
    let hash = found.as_ref().map(|found| found.password_hash.as_str());
    let hash = hash.filter(|hash| *hash != NO_PASSWORD);
    let right = passwords.verify(password.expose(), hash).await?;
    Ok(found.filter(|_| right))
}

/// Checks a password and begins a session; `None` when it opens no account.
async fn sign_in(
    req: &HttpRequest,
    state: &AppState,
    passwords: &Passwords,
    credentials: (&Email, &Secret),
) -> Result<Option<Began>, Problem> {
    match authenticated(state, passwords, credentials).await? {
        Some(found) => begin(req, state, found).await.map(Some),
        None => Ok(None),
    }
}

/// Begins the session of somebody whose password was right.
async fn begin(req: &HttpRequest, state: &AppState, found: Credentials) -> Result<Began, Problem> {
    let user = found.user.id;
    if found.user.status == UserStatus::Disabled {
        return Err(Problem::of(ErrorCode::AccountDisabled));
    }
    let token = state.refresh_tokens.make(SessionId::generate());
    let session = NewSession {
        id: token.session(),
        user,
        password_hash: found.password_hash.clone(),
        token_hash: token.hash(),
        user_agent: user_agent(req),
        address: Some(client_address(req)),
        now: state.ports.clock.now(),
        idle: state.sessions.idle,
        lifetime: state.sessions.lifetime,
    };
    match acting_as(user, state.ports.sessions.begin(session)).await {
        Ok(()) => {
            let answer = tokens(state, user, &token)?;
            Ok(Began::Session { answer, user, checked_hash: found.password_hash })
        }
        Err(BeginError::Changed) => Ok(Began::HashChanged),
        Err(BeginError::Disabled) => Err(Problem::of(ErrorCode::AccountDisabled)),
        Err(BeginError::Store(error)) => Err(error.into()),
    }
}

fn refused() -> Problem {
    Problem::of(ErrorCode::InvalidCredentials)
}

/// Refuses what cannot be the password of an account, before it costs anything.
pub(crate) fn presented_password(check: &mut Check, field: &str, password: &str) {
    if !(1..=Password::MAX).contains(&password.chars().count()) {
        let accepts = format!("must have 1 to {} characters", Password::MAX);
        check.refuse(field, Invalid::new("wrong_length", accepts));
    }
}

/// What the client says of itself, fit to be shown.
fn user_agent(req: &HttpRequest) -> Option<String> {
    let sent = req.headers().get(header::USER_AGENT)?;
    let text = String::from_utf8_lossy(sent.as_bytes());
    let text: String = text.chars().filter(|c| !c.is_control()).take(USER_AGENT).collect();
    (!text.trim().is_empty()).then_some(text)
}
