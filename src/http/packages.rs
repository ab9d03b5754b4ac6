//! `/packages`: named sets of genres, in versions.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use watchme_actors::{
    domain::{ApplyTo, GenreId, GenreList, GenreSet, Invalid, Package, PackageId, PackageName},
    ports::{Change, Created, NewPackage, PackageEdit},
};

use super::{
    AppState, ErrorCode, Problem,
    answers::PackagesKey,
    body::RawBody,
    check::Check,
    conditional,
    effect::carried_through,
    guard::Caller,
    idempotency::Sender,
    packages_read::{self, PackageBody, PackagesQuery, VersionBody, VersionsQuery},
    pages::PageBody,
    query, respond,
    shapes::GenreNumber,
};
use crate::config::PackageCreators;

const MAX_GENRES: usize = 200;

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
    answer(&req, &state, PackagesKey::Page(req.query_string().into())).await
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
    let made = carried_through(async move {
        let made = state.ports.packages.create(package, key.as_ref()).await;
        // Whatever came of it: one that failed may have been done.
        state.answers.packages_have_changed();
        let made = made?;
        if let Created::Now(package) = &made {
            state.ports.changes.announce(Change::Package(package.id)).await;
        }
        Ok(made)
    });
    made_package(made.await?, &list)
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
    answer(&req, &state, PackagesKey::One(package_id(&req)?)).await
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
    let key = PackagesKey::Versions(package_id(&req)?, req.query_string().into());
    answer(&req, &state, key).await
}

async fn answer(
    req: &HttpRequest,
    state: &Data<AppState>,
    key: PackagesKey,
) -> Result<HttpResponse, Problem> {
    let packages = &state.answers.packages;
    let make = || packages_read::encoded(state.clone(), key.clone());
    let served = packages.get(&key, state.answers.of_packages(), make).await?;
    Ok(packages.respond(req, &key, &served).await)
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
    let package = packages_read::existing(&state, package_id(&req)?).await?;
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
        let edited = state.ports.packages.edit(package.id, edit).await;
        state.answers.packages_have_changed();
        let edited = edited?;
        if wanted.apply_to == ApplyTo::All {
            state.handles.entitlements.forget_package(edited.id).await;
        }
        state.ports.changes.announce(Change::Package(edited.id)).await;
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
    let package = package_id(&req)?;
    carried_through(async move {
        let archived = state.ports.packages.archive(package, state.ports.clock.now()).await;
        state.answers.packages_have_changed();
        archived?;
        state.ports.changes.announce(Change::Package(package)).await;
        Ok(respond::no_content())
    })
    .await
}

fn package_id(req: &HttpRequest) -> Result<PackageId, Problem> {
    respond::path_id(req, "id", ErrorCode::PackageNotFound)
}

/// A package with the tag that an edit of it has to bring.
fn tagged(package: Package, genres: &GenreList) -> Result<HttpResponse, Problem> {
    let tag = conditional::version_tag(package.version);
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
