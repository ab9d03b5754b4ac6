//! `/packages`: named sets of genres, in versions.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{
        ApplyTo, GenreId, GenreList, GenreSet, Invalid, Package, PackageId, PackageName,
        PackageVersion, Timestamp, UserId, bounded_line,
    },
    ports::{ArchivedFilter, Change, Created, NewPackage, PackageEdit, PackageFilter},
};

use super::{
    AppState, ErrorCode, Problem,
    body::RawBody,
    check::Check,
    conditional,
    effect::carried_through,
    genres::Flag,
    guard::Caller,
    idempotency::Sender,
    pages::{self, PageBody},
    query, respond,
    shapes::{GenreNumber, GenreRef, named},
};
use crate::config::PackageCreators;

const MAX_GENRES: usize = 200;

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
    fn new(package: Package, genres: &GenreList) -> Self {
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

/// List packages
///
/// In the order of their making.
#[utoipa::path(get, path = "/api/v1/packages", tag = "packages", params(PackagesQuery),
    responses((status = 200, description = "A page of packages", body = PageBody<PackageBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    // Who may comes before what is wrong with the query, so this parameter is looked at first.
    if query::has(&req, "archived") && !caller.is_admin() {
        return Err(Problem::of(ErrorCode::AdminOnly));
    }
    let wanted: PackagesQuery = query::parse(&req)?;
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
    respond::ok_tagged(&req, &PageBody::from(found.map(|p| PackageBody::new(p, &genres))))
}

/// A package to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewPackage, example = json!({"name": "Evenings", "genreIds": [18, 53]}))]
pub(crate) struct Wanted {
    /// Unique among packages that are not archived, compared without regard to case.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Genres of the synced list that are not retired.
    #[schema(value_type = Vec<GenreNumber>, min_items = 1, max_items = 200)]
    genre_ids: Vec<i64>,
}

/// Make a package
///
/// Admins only, unless the operator lets everybody.
#[utoipa::path(post, path = "/api/v1/packages", tag = "packages", request_body = Wanted,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The package, in version 1", body = PackageBody,
        headers(("Location" = String, description = "The package's address")))))]
pub(crate) async fn create(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let key = state.fingerprints.key(&req, Sender::User(caller.id), &body)?;
    let wanted: Wanted = body.parse()?;
    let list = state.handles.genres.wait_for_list().await?;
    let now = state.ports.clock.now();
    // Before what may have changed since the first request is looked at.
    if let Some(key) = &key
        && let Some(made) = state.ports.packages.made_before(key, now).await?
    {
        return made_package(Created::Before(made), &list);
    }
    let mut check = Check::body();
    let name = check.parse::<PackageName>("name", &wanted.name);
    let genres = genre_set(&mut check, &wanted.genre_ids, &list, &GenreSet::default());
    let (Some(name), Some(genres)) = (name, genres) else { return Err(check.problem()) };
    let package = NewPackage { name, genres, created_by: Some(caller.id), now };
    made_package(state.ports.packages.create(package, key.as_ref()).await?, &list)
}

fn made_package(made: Created<Package>, genres: &GenreList) -> Result<HttpResponse, Problem> {
    respond::created(
        made,
        |package| format!("/api/v1/packages/{}", package.id),
        |package| PackageBody::new(package, genres),
    )
}

/// Read a package
///
/// The `ETag` is the version, to be sent back as `If-Match` with an edit.
#[utoipa::path(get, path = "/api/v1/packages/{id}", tag = "packages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The package", body = PackageBody,
        headers(("ETag" = String, description = "The version")))))]
pub(crate) async fn read(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let package = existing(&req, &state).await?;
    tagged(package, &*state.handles.genres.wait_for_list().await?)
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

/// List a package's versions
///
/// Newest first.
#[utoipa::path(get, path = "/api/v1/packages/{id}/versions", tag = "packages",
    params(("id" = Uuid, Path), VersionsQuery),
    responses((status = 200, description = "A page of versions", body = PageBody<VersionBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn versions(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let package = existing(&req, &state).await?;
    let wanted: VersionsQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    check.done()?;
    let found = state.ports.packages.versions(package.id, page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let body = PageBody::from(found.map(|version| VersionBody::new(version, &genres)));
    respond::ok_tagged(&req, &body)
}

/// An edit of a package.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"name": "Evenings", "genreIds": [18, 53, 80], "applyTo": "all"}))]
pub(crate) struct Edit {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Genres of the synced list; retired ones only where the package has them already.
    #[schema(value_type = Vec<GenreNumber>, min_items = 1, max_items = 200)]
    genre_ids: Vec<i64>,
    /// `new`: subscriptions from now on. `all`: today's subscribers too.
    #[schema(value_type = String, pattern = "^(new|all)$", default = "new")]
    #[serde(default)]
    apply_to: ApplyTo,
}

/// Edit a package
///
/// Makes the next version. The edit carries the version that it saw; a stale one is refused.
#[utoipa::path(put, path = "/api/v1/packages/{id}", tag = "packages", request_body = Edit,
    params(("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The `ETag` of the version that was seen", example = "\"3\"")),
    responses((status = 200, description = "The package in its next version", body = PackageBody)))]
pub(crate) async fn edit(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let package = existing(&req, &state).await?;
    let by_its_maker = state.settings.package_creators == PackageCreators::Users
        && package.created_by == Some(caller.id);
    if !caller.is_admin() && !by_its_maker {
        return Err(Problem::of(ErrorCode::NotOwner));
    }
    let wanted: Edit = body.parse()?;
    let expected = match conditional::expected_version(&req) {
        // What does not parse comes before what is not valid, and that before what is missing.
        Err(problem) if problem.code() == ErrorCode::InvalidHeader => return Err(problem),
        expected => expected,
    };
    let list = state.handles.genres.wait_for_list().await?;
    let mut check = Check::body();
    let name = check.parse::<PackageName>("name", &wanted.name);
    let genres = genre_set(&mut check, &wanted.genre_ids, &list, &package.genres);
    let (Some(name), Some(genres)) = (name, genres) else { return Err(check.problem()) };
    let edit = PackageEdit {
        expected_version: expected?,
        name,
        genres,
        apply_to: wanted.apply_to,
        now: state.ports.clock.now(),
    };
    let edited = carried_through(async move {
        let edited = state.ports.packages.edit(package.id, edit).await?;
        if wanted.apply_to == ApplyTo::All {
            state.handles.entitlements.forget_package(edited.id).await;
            state.ports.changes.announce(Change::Package(edited.id)).await;
        }
        Ok(edited)
    })
    .await?;
    tagged(edited, &list)
}

/// Archive a package
///
/// It takes no new subscriptions; existing ones go on until they end.
#[utoipa::path(delete, path = "/api/v1/packages/{id}", tag = "packages",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is archived")))]
pub(crate) async fn archive(
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    state.ports.packages.archive(package_id(&req)?, state.ports.clock.now()).await?;
    Ok(respond::no_content())
}

fn package_id(req: &HttpRequest) -> Result<PackageId, Problem> {
    respond::path_id(req, "id", ErrorCode::PackageNotFound)
}

async fn existing(req: &HttpRequest, state: &AppState) -> Result<Package, Problem> {
    let found = state.ports.packages.package(package_id(req)?).await?;
    found.ok_or_else(|| Problem::of(ErrorCode::PackageNotFound))
}

/// The version, for `If-Match`. Not for `If-None-Match`: the names of genres and the archiving show
/// in a package without making a version.
fn tag(package: &Package) -> String {
    format!("\"{}\"", package.version)
}

/// A package with the tag that an edit of it has to bring.
fn tagged(package: Package, genres: &GenreList) -> Result<HttpResponse, Problem> {
    let tag = tag(&package);
    let body = respond::encode(&PackageBody::new(package, genres))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, tag))
        .content_type("application/json")
        .body(body))
}

/// The genres of a package: known, and not retired unless the package has them already.
fn genre_set(
    check: &mut Check,
    ids: &[i64],
    list: &GenreList,
    held: &GenreSet,
) -> Option<GenreSet> {
    if ids.is_empty() {
        check.refuse("genreIds", Invalid::new("too_few", "must have at least one genre"));
        return None;
    }
    if ids.len() > MAX_GENRES {
        let most = format!("must have at most {MAX_GENRES} genres");
        check.refuse("genreIds", Invalid::new("too_many", most));
        return None;
    }
    let known: Vec<Option<GenreId>> = ids
        .iter()
        .enumerate()
        .map(|(place, number)| {
            let genre = GenreId::try_from(*number).ok().and_then(|id| list.get(id));
            let id = match genre {
                None => Err(Invalid::new("unknown_genre", format!("there is no genre {number}"))),
                Some(genre) if genre.retired && !held.contains(genre.id) => {
                    Err(Invalid::new("retired_genre", format!("genre {number} is retired")))
                }
                Some(genre) => Ok(genre.id),
            };
            check.take(&format!("genreIds[{place}]"), id)
        })
        .collect();
    known.into_iter().collect()
}
