//! `/entitlements`: what the caller may see, and why.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::domain::{EntitlementMode, SubscriptionId, Timestamp};

use super::{
    AppState, Problem,
    guard::Caller,
    respond,
    shapes::{GenreRef, PackageRefBody, named},
};

/// What the caller may see now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Entitlement, example = json!({
    "mode": "any", "genres": [{"id": 18, "name": "Drama"}],
    "sources": [{"subscriptionId": "0190f5fe-7c00-7a00-8000-000000000003",
        "package": {"id": "0190f5fe-7c00-7a00-8000-000000000002", "name": "Evenings", "version": 1},
        "genres": [{"id": 18, "name": "Drama"}],
        "startsAt": "2026-03-01T20:15:00Z", "endsAt": null}]}))]
pub(crate) struct EntitlementBody {
    /// `any`: a movie needs one of the genres. `all`: each of its genres has to be among them.
    #[schema(value_type = String, pattern = "^(any|all)$")]
    mode: EntitlementMode,
    /// The union of what the sources give.
    genres: Vec<GenreRef>,
    /// Active subscriptions.
    sources: Vec<SourceBody>,
}

/// A subscription that gives genres.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EntitlementSource)]
pub(crate) struct SourceBody {
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    package: PackageRefBody,
    genres: Vec<GenreRef>,
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
}

/// See which genres one may see, and where each comes from
#[utoipa::path(get, path = "/api/v1/entitlements", tag = "entitlements",
    responses((status = 200, description = "The caller's entitlement", body = EntitlementBody,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn read(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let found = state.handles.entitlements.of(caller.id).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let sources = found
        .sources
        .iter()
        .map(|source| SourceBody {
            subscription_id: source.holding.subscription,
            package: source.holding.package.clone().into(),
            genres: named(&source.genres, &genres),
            starts_at: source.holding.starts_at,
            ends_at: source.holding.ends_at,
        })
        .collect();
    let body = EntitlementBody {
        mode: found.entitlement.mode,
        genres: named(&found.entitlement.genres, &genres),
        sources,
    };
    respond::ok_tagged(&req, &body)
}
