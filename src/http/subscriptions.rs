//! `/subscriptions`: who holds which package.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{Invalid, PackageId, Subscription, SubscriptionId, Timestamp, UserId},
    ports::{Change, Created, IdempotencyKey, NewSubscription},
};

use super::{
    AppState, ErrorCode, Problem,
    body::{RawBody, given},
    check::Check,
    effect::carried_through,
    guard::Caller,
    idempotency::Sender,
    pages::{self, PageBody},
    query, respond,
    shapes::SubscriptionBody,
    users,
};

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct SubscriptionsQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

/// List one's own subscriptions
///
/// Ended ones included, newest first.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "subscriptions",
    params(SubscriptionsQuery),
    responses((status = 200, description = "A page of subscriptions", body = PageBody<SubscriptionBody>)))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    page_of(&req, &state, caller.id).await
}

/// List a user's subscriptions
///
/// Ended ones included, newest first.
#[utoipa::path(get, path = "/api/v1/users/{id}/subscriptions", tag = "subscriptions",
    params(("id" = Uuid, Path), SubscriptionsQuery),
    responses((status = 200, description = "A page of subscriptions", body = PageBody<SubscriptionBody>)))]
pub(crate) async fn list_of_user(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let user = existing_user(&req, &state).await?;
    page_of(&req, &state, user).await
}

async fn page_of(
    req: &HttpRequest,
    state: &AppState,
    user: UserId,
) -> Result<HttpResponse, Problem> {
    let wanted: SubscriptionsQuery = query::parse(req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    check.done()?;
    let found = state.ports.subscriptions.subscriptions(user, page).await?;
    respond::ok(&PageBody::from(found.map(SubscriptionBody::from)))
}

/// A subscription of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"packageId": "0190f5fe-7c00-7a00-8000-000000000002"}))]
pub(crate) struct Subscribe {
    #[schema(value_type = Uuid)]
    package_id: String,
}

/// Subscribe to a package
///
/// From now on, in the package's latest version, until it is cancelled.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "subscriptions",
    request_body = Subscribe,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The subscription", body = SubscriptionBody,
        headers(("Location" = String, description = "The subscription's address")))))]
pub(crate) async fn create(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    if !state.settings.self_service && !caller.is_admin() {
        return Err(Problem::of(ErrorCode::SelfServiceOff));
    }
    let key = state.fingerprints.key(&req, Sender::User(caller.id), &body)?;
    let wanted: Subscribe = body.parse()?;
    let mut check = Check::body();
    let Some(package) = check.parse::<PackageId>("packageId", &wanted.package_id) else {
        return Err(check.problem());
    };
    let now = state.ports.clock.now();
    let new = NewSubscription { user: caller.id, package, starts_at: now, ends_at: None, now };
    carried_through(subscribe(state, new, key)).await.map_err(|problem| match problem.code() {
        // One's own account went while the request ran.
        ErrorCode::UserNotFound => Problem::of(ErrorCode::AccountInactive),
        _ => problem,
    })
}

/// A subscription that an admin makes for somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"packageId": "0190f5fe-7c00-7a00-8000-000000000002", "endsAt": "2027-03-01T00:00:00Z"}))]
pub(crate) struct SubscribeUser {
    #[schema(value_type = Uuid)]
    package_id: String,
    /// Inclusive; now when not given.
    #[schema(value_type = String, format = DateTime, required = false)]
    #[serde(default, deserialize_with = "given")]
    starts_at: Option<String>,
    /// Exclusive, later than `startsAt`; open when not given.
    #[schema(value_type = String, format = DateTime, required = false)]
    #[serde(default, deserialize_with = "given")]
    ends_at: Option<String>,
}

/// Subscribe a user to a package
#[utoipa::path(post, path = "/api/v1/users/{id}/subscriptions", tag = "subscriptions",
    request_body = SubscribeUser,
    params(("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The subscription", body = SubscriptionBody,
        headers(("Location" = String, description = "The subscription's address")))))]
pub(crate) async fn create_for_user(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let user = existing_user(&req, &state).await?;
    let key = state.fingerprints.key(&req, Sender::User(caller.id), &body)?;
    let wanted: SubscribeUser = body.parse()?;
    // Before the times are compared with a clock that has gone on since the first request.
    if let Some(key) = &key
        && let Some(made) =
            state.ports.subscriptions.made_before(key, state.ports.clock.now()).await?
    {
        return made_subscription(Created::Before(made));
    }
    let mut check = Check::body();
    let package = check.parse::<PackageId>("packageId", &wanted.package_id);
    let now = state.ports.clock.now();
    let starts_at =
        check.optional::<Timestamp>("startsAt", wanted.starts_at.as_deref()).unwrap_or(now);
    let ends_at = check.optional::<Timestamp>("endsAt", wanted.ends_at.as_deref());
    if ends_at.is_some_and(|end| end <= starts_at) {
        check.refuse("endsAt", Invalid::new("too_early", "must be later than `startsAt`"));
    }
    let package = match (package, check.done()) {
        (Some(package), Ok(())) => package,
        (_, outcome) => {
            return Err(outcome.err().unwrap_or_else(|| Problem::of(ErrorCode::Internal)));
        }
    };
    let new = NewSubscription { user, package, starts_at, ends_at, now };
    carried_through(subscribe(state, new, key)).await
}

async fn subscribe(
    state: Data<AppState>,
    new: NewSubscription,
    key: Option<IdempotencyKey>,
) -> Result<HttpResponse, Problem> {
    let user = new.user;
    let created = state.ports.subscriptions.subscribe(new, key.as_ref()).await?;
    subscriptions_changed(&state, user).await;
    made_subscription(created)
}

fn made_subscription(made: Created<Subscription>) -> Result<HttpResponse, Problem> {
    respond::created(
        made,
        |subscription| format!("/api/v1/subscriptions/{}", subscription.id),
        SubscriptionBody::from,
    )
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct CancelQuery {
    /// When it is to end; now when not given or past. A later moment than its present end does
    /// not prolong it.
    #[param(required = false, format = DateTime)]
    ends_at: Option<String>,
}

/// Cancel a subscription
///
/// Now, or at a given time. One that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{id}", tag = "subscriptions",
    params(("id" = Uuid, Path), CancelQuery),
    responses((status = 204, description = "It ends, or has ended")))]
pub(crate) async fn cancel(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id: SubscriptionId = respond::path_id(&req, "id", ErrorCode::SubscriptionNotFound)?;
    let found = state.ports.subscriptions.subscription(id).await?;
    let found = found
        .filter(|subscription| subscription.user_id == caller.id || caller.is_admin())
        .ok_or_else(|| Problem::of(ErrorCode::SubscriptionNotFound))?;
    let wanted: CancelQuery = query::parse(&req)?;
    let mut check = Check::query();
    let ends_at = check.optional::<Timestamp>("endsAt", wanted.ends_at.as_deref());
    check.done()?;
    let now = state.ports.clock.now();
    carried_through(async move {
        state.ports.subscriptions.cancel(id, ends_at.unwrap_or(now), now).await?;
        subscriptions_changed(&state, found.user_id).await;
        Ok(respond::no_content())
    })
    .await
}

async fn existing_user(req: &HttpRequest, state: &AppState) -> Result<UserId, Problem> {
    let id = users::user_id(req)?;
    let found = state.ports.accounts.user(id).await?;
    found.map(|user| user.id).ok_or_else(|| Problem::of(ErrorCode::UserNotFound))
}

/// The user's very next request sees the change here; other replicas hear of it.
async fn subscriptions_changed(state: &AppState, user: UserId) {
    state.handles.entitlements.forget_user(user).await;
    state.ports.changes.announce(Change::Subscriptions(user)).await;
}
