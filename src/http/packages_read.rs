//! What is read of packages: its shapes, and encoding them for everybody who asks the same.

use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{
        GenreList, Package, PackageId, PackageName, PackageVersion, Timestamp, UserId, bounded_line,
    },
    ports::{ArchivedFilter, PackageFilter},
};

use super::{
    AppState, ErrorCode, Problem,
    answers::{Encoded, PackagesKey},
    check::Check,
    genres::Flag,
    pages::{self, PageBody},
    query,
    shapes::{GenreRef, named},
};

/// A package as it stands now: its latest version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Package, example = json!({
    "id": "0190f5fe-7c00-7a00-8000-000000000002", "name": "Evenings",
    "genres": [{"id": 18, "name": "Drama"}], "version": 1,
    "createdAt": "2026-03-01T20:15:00Z", "updatedAt": "2026-03-01T20:15:00Z",
    "archivedAt": null, "createdBy": "0190f5fe-7c00-7a00-8000-000000000001"}))]
pub(crate) struct PackageBody {
    #[schema(value_type = Uuid)]
    id: PackageId,
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: PackageName,
    #[schema(min_items = 1)]
    genres: Vec<GenreRef>,
    #[schema(minimum = 1)]
    version: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Since when it takes no new subscriptions.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// Null for what the service made itself and for accounts that are gone.
    #[schema(value_type = Option<Uuid>)]
    created_by: Option<UserId>,
}

impl PackageBody {
    pub(crate) fn new(package: Package, genres: &GenreList) -> Self {
        Self {
            id: package.id,
            name: package.name,
            genres: named(&package.genres, genres),
            version: package.version,
            created_at: package.created_at,
            updated_at: package.updated_at,
            archived_at: package.archived_at,
            created_by: package.created_by,
        }
    }
}

/// One immutable version of a package.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PackageVersion)]
pub(crate) struct VersionBody {
    #[schema(minimum = 1)]
    version: u32,
    #[schema(value_type = String)]
    name: PackageName,
    genres: Vec<GenreRef>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl VersionBody {
    fn new(version: PackageVersion, genres: &GenreList) -> Self {
        Self {
            version: version.version,
            name: version.name,
            genres: named(&version.genres, genres),
            created_at: version.created_at,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct PackagesQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Text that the name contains, without regard to case.
    #[param(required = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Only packages whose latest version has this genre.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 2147483647)]
    genre_id: Option<String>,
    /// Admins only: archived packages instead of the others.
    #[param(value_type = bool, required = false)]
    archived: Option<String>,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionsQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

/// What is asked for, read from the store.
///
/// # Errors
/// 400 that names the parameters, `PackageNotFound`, and what the store and the genres bring.
pub(crate) async fn encoded(state: Data<AppState>, key: PackagesKey) -> Result<Encoded, Problem> {
    match key {
        PackagesKey::Page(query) => page(&state, &query).await,
        PackagesKey::One(id) => one(&state, id).await,
        PackagesKey::Versions(id, query) => versions(&state, id, &query).await,
    }
}

async fn page(state: &AppState, query: &str) -> Result<Encoded, Problem> {
    let wanted: PackagesQuery = query::parse_text(query)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let archived = check.optional::<Flag>("archived", wanted.archived.as_deref());
    let filter = PackageFilter {
        name: wanted.name.and_then(|text| check.take("name", bounded_line(&text, 100))),
        genre: check.optional("genreId", wanted.genre_id.as_deref()),
        archived: match archived {
            Some(Flag(true)) => ArchivedFilter::Only,
            _ => ArchivedFilter::Exclude,
        },
    };
    check.done()?;
    let found = state.ports.packages.packages(&filter, page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    Encoded::of(&PageBody::from(found.map(|package| PackageBody::new(package, &genres))))
}

async fn one(state: &AppState, id: PackageId) -> Result<Encoded, Problem> {
    let package = existing(state, id).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    // The version, for `If-Match`. Not for `If-None-Match`: the names of genres and the archiving
    // show in a package without making a version.
    Encoded::of_version(package.version, &PackageBody::new(package, &genres))
}

async fn versions(state: &AppState, id: PackageId, query: &str) -> Result<Encoded, Problem> {
    let package = existing(state, id).await?;
    let wanted: VersionsQuery = query::parse_text(query)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    check.done()?;
    let found = state.ports.packages.versions(package.id, page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    Encoded::of(&PageBody::from(found.map(|version| VersionBody::new(version, &genres))))
}

/// A package as the store has it now.
///
/// # Errors
/// `PackageNotFound`, and what the store brings.
pub(crate) async fn existing(state: &AppState, id: PackageId) -> Result<Package, Problem> {
    let found = state.ports.packages.package(id).await?;
    found.ok_or_else(|| Problem::of(ErrorCode::PackageNotFound))
}
