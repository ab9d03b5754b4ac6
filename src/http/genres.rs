//! `/genres`: the synced list and its synchronisation.

use std::{cmp::Reverse, str::FromStr};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{Genre, GenreId, GenreSet, Invalid, PackageId, Page, Timestamp, bounded_line},
    genre_sync::GenreSyncStatus,
};

use super::{
    AppState, Problem, admin_audit,
    answers::Encoded,
    check::Check,
    pages::{self, PageBody},
    query, respond,
    shapes::GenreNumber,
};

const MAX_IDS: usize = 200;

/// A genre.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Genre, example = json!({"id": 18, "name": "Drama", "retired": false, "updatedAt": "2026-03-01T20:15:00Z"}))]
pub(crate) struct GenreBody {
    /// TMDb's number.
    #[schema(value_type = u32, minimum = 1, maximum = 2147483647)]
    id: GenreId,
    name: String,
    /// TMDb does not list it any more.
    retired: bool,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Genre> for GenreBody {
    fn from(genre: &Genre) -> Self {
        Self {
            id: genre.id,
            name: genre.name.clone(),
            retired: genre.retired,
            updated_at: genre.updated_at,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct GenresQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Text that the name contains, without regard to case.
    #[param(required = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Only these; repeated, or parted by commas.
    #[param(value_type = Vec<GenreNumber>, required = false, max_items = 200)]
    ids: Vec<String>,
    /// Only genres of this package's latest version.
    #[param(value_type = Uuid, required = false)]
    in_package: Option<String>,
    /// Only genres that TMDb has dropped, or only those that it lists. Both when not given.
    #[param(value_type = bool, required = false)]
    retired: Option<String>,
    /// `id` (the default) or `name`, with `-` before it for descending.
    #[param(required = false, pattern = "^-?(id|name)$", example = "name")]
    sort: Option<String>,
}

/// An order of genres; ties of the name are broken by ascending id.
#[derive(Clone, Copy)]
struct GenreSort {
    by_name: bool,
    descending: bool,
}

impl FromStr for GenreSort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (descending, word) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        match word {
            "id" => Ok(Self { by_name: false, descending }),
            "name" => Ok(Self { by_name: true, descending }),
            _ => Err(Invalid::new(
                "unknown_sort",
                "must be `id` or `name`, with `-` before it for descending",
            )),
        }
    }
}

/// `true` or `false`, and nothing else.
pub(crate) struct Flag(pub(crate) bool);

impl FromStr for Flag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid::new("not_a_flag", "must be `true` or `false`"))
    }
}

/// List genres
///
/// The list that was last synced with TMDb. Right after the first start it may take up to 5 s.
#[utoipa::path(get, path = "/api/v1/genres", tag = "genres", params(GenresQuery),
    responses((status = 200, description = "A page of genres", body = PageBody<GenreBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn list(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let genres = &state.answers.genres;
    let (key, stamp) = (Box::from(req.query_string()), state.answers.of_packages());
    let make = || encoded_page(state.clone(), Box::clone(&key));
    let served = genres.get(&key, stamp, make).await?;
    Ok(genres.respond(&req, &key, &served).await)
}

async fn encoded_page(state: Data<AppState>, query: Box<str>) -> Result<Encoded, Problem> {
    let wanted: GenresQuery = query::parse_text(&query)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let name = wanted.name.and_then(|text| check.take("name", bounded_line(&text, 100)));
    let ids: GenreSet = check.list::<GenreId>("ids", &wanted.ids, MAX_IDS).into_iter().collect();
    let package = check.optional::<PackageId>("inPackage", wanted.in_package.as_deref());
    let retired = check.optional::<Flag>("retired", wanted.retired.as_deref());
    let sort = check.optional::<GenreSort>("sort", wanted.sort.as_deref());
    check.done()?;
    let in_package = match package {
        // A package that is not there has no genres.
        Some(id) => {
            Some(state.ports.packages.package(id).await?.map(|p| p.genres).unwrap_or_default())
        }
        None => None,
    };
    let genres = state.handles.genres.wait_for_list().await?;
    let name = name.map(|name| name.to_lowercase());
    let mut found: Vec<&Genre> = genres
        .iter()
        .filter(|genre| {
            name.as_ref().is_none_or(|name| genre.name.to_lowercase().contains(name))
                && (ids.is_empty() || ids.contains(genre.id))
                && in_package.as_ref().is_none_or(|set| set.contains(genre.id))
                && retired.as_ref().is_none_or(|Flag(retired)| genre.retired == *retired)
        })
        .collect();
    if let Some(sort) = sort {
        let name = |genre: &&Genre| genre.name.to_lowercase();
        match (sort.by_name, sort.descending) {
            (true, false) => found.sort_by_cached_key(name),
            (true, true) => found.sort_by_cached_key(|genre| Reverse(name(genre))),
            (false, false) => {}
            (false, true) => found.reverse(),
        }
    }
    let found = Page::cut(found.into_iter().map(GenreBody::from), page);
    Encoded::of(&PageBody::from(found))
}

/// How the synchronisation of genres is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GenreSync, example = json!({"running": false, "lastSuccess": "2026-03-01T20:15:00Z", "lastFailure": null, "changed": 2}))]
pub(crate) struct GenreSyncBody {
    /// Whether it runs now.
    running: bool,
    /// When it last came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_success: Option<Timestamp>,
    /// When it last failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_failure: Option<Timestamp>,
    /// How many genres the last success changed.
    #[schema(minimum = 0)]
    changed: u64,
}

impl From<&GenreSyncStatus> for GenreSyncBody {
    fn from(status: &GenreSyncStatus) -> Self {
        Self {
            running: status.running,
            last_success: status.record.last_success,
            last_failure: status.record.last_failure,
            changed: status.record.changed,
        }
    }
}

/// See how the synchronisation is doing
#[utoipa::path(get, path = "/api/v1/genres/sync", tag = "genres",
    responses((status = 200, description = "The last results", body = GenreSyncBody)))]
pub(crate) async fn sync_status(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    respond::ok(&GenreSyncBody::from(&*state.handles.genres.status()))
}

/// Synchronise now
///
/// Compares the stored list with TMDb's and updates it where it differs. A failed run leaves the
/// list as it was.
#[utoipa::path(post, path = "/api/v1/genres/sync", tag = "genres",
    responses((status = 200, description = "The result of this run", body = GenreSyncBody)))]
pub(crate) async fn sync_now(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    admin_audit::note(&state, "genres.sync_requested", "genre", "*").await?;
    let status = state.handles.genres.sync_now().await?;
    respond::ok(&GenreSyncBody::from(&status))
}
