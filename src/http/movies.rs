//! `/movies`: the catalogue, as far as the caller's subscriptions permit.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_STATUS, HeaderValue},
    web::Data,
};
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::domain::{Movie, MovieDetails, MovieId, MovieQuery, Page, Timestamp};

use super::{
    AppState, ErrorCode, Problem,
    answers::Encoded,
    guard::Caller,
    movies_asked::{Kind, PageKey},
    movies_query::{MoviesQuery, PopularQuery, SearchQuery, Wanted},
    pages::PageBody,
    respond,
    shapes::MovieBody,
};

/// What an answer carries that TMDb should have confirmed but could not (RFC 9211).
pub(crate) const STALE: HeaderValue = HeaderValue::from_static("watchme; hit; detail=stale");

/// List the movies that one may see
///
/// Filters combine. Genres that are not permitted never widen the list: asking only for such
/// gives an empty page. While TMDb cannot be asked the answer carries
/// `Cache-Status: watchme; hit; detail=stale`.
#[utoipa::path(get, path = "/api/v1/movies", tag = "movies", params(MoviesQuery),
    responses((status = 200, description = "A page of movies", body = PageBody<MovieBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    page_of(&req, &state, caller, Kind::List).await
}

/// List the most popular movies that one may see
#[utoipa::path(get, path = "/api/v1/movies/popular", tag = "movies", params(PopularQuery),
    responses((status = 200, description = "A page of movies", body = PageBody<MovieBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn popular(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    page_of(&req, &state, caller, Kind::Popular).await
}

/// Search the movies that one may see
///
/// TMDb's first page for the text is added to the stored catalogue, which then answers.
#[utoipa::path(get, path = "/api/v1/movies/search", tag = "movies", params(SearchQuery),
    responses((status = 200, description = "A page of movies", body = PageBody<MovieBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn search(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    page_of(&req, &state, caller, Kind::Search).await
}

async fn page_of(
    req: &HttpRequest,
    state: &Data<AppState>,
    caller: Caller,
    kind: Kind,
) -> Result<HttpResponse, Problem> {
    let wanted = state.understood.wanted(kind, req)?;
    let entitlement = Arc::clone(&state.handles.entitlements.of(caller.id).await?.entitlement);
    let asked = match &wanted.filter.text {
        // Who may see nothing has nothing fetched for them.
        Some(text) if !entitlement.genres.is_empty() => {
            Box::pin(state.handles.movies.prepare_search(text)).await
        }
        _ => true,
    };
    let key = PageKey { wanted, entitlement };
    let (mut response, served_stale) = match key.wanted.watched {
        Some(watched) => (Box::pin(watched_page(req, state, caller, key, watched)).await?, false),
        // The same for everybody who asks the same and may see the same.
        None => {
            let pages = &state.answers.pages;
            let stamp = state.answers.of_movies();
            let make = || encoded_page(state.clone(), key.clone());
            // What was found while TMDb could not be asked is not kept: the next one may have
            // better luck.
            let served = if asked {
                pages.get(&key, stamp, make).await?
            } else {
                pages.get_or_make(&key, stamp, make).await?
            };
            (pages.respond(req, &key, &served).await, served.stale)
        }
    };
    if !asked || served_stale || is_stale(state) {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
}

/// A page that depends on what the caller has watched.
async fn watched_page(
    req: &HttpRequest,
    state: &AppState,
    caller: Caller,
    key: PageKey,
    watched: bool,
) -> Result<HttpResponse, Problem> {
    let query = match key.query() {
        Some(query) => {
            let movies = state.ports.watch_log.watched_movies(caller.id).await?;
            Some(query.with_watched(watched, movies))
        }
        None => None,
    };
    respond::ok_tagged(req, &page_body(state, query, &key.wanted).await?)
}

async fn encoded_page(state: Data<AppState>, key: PageKey) -> Result<Encoded, Problem> {
    Encoded::of(&page_body(&state, key.query(), &key.wanted).await?)
}

/// Whether what is shown may be older than it should be.
pub(super) fn is_stale(state: &AppState) -> bool {
    state.handles.movies.stale() || state.ports.documents.is_away()
}

/// The page of a query that can match something; an empty one of any other.
async fn page_body(
    state: &AppState,
    query: Option<MovieQuery>,
    wanted: &Wanted,
) -> Result<PageBody<MovieBody>, Problem> {
    let Some(query) = query else { return Ok(Page::empty(wanted.page).into()) };
    let found = state.handles.movies.list(&query, wanted.page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let images = &state.settings.image_base_url;
    Ok(found.map(|movie| MovieBody::new(&movie, &genres, images)).into())
}

/// A movie with what its details add.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MovieDetails)]
pub(crate) struct DetailsBody {
    #[serde(flatten)]
    movie: MovieBody,
    /// Minutes; null where it is not known.
    #[schema(minimum = 0)]
    runtime: Option<u32>,
    tagline: String,
    /// TMDb's word, such as `Released`; empty where it is not known.
    status: String,
    homepage: Option<String>,
    #[schema(example = "tt0137523")]
    imdb_id: Option<String>,
    /// US dollars.
    #[schema(minimum = 0)]
    budget: Option<u64>,
    /// US dollars.
    #[schema(minimum = 0)]
    revenue: Option<u64>,
    /// ISO 3166-1 codes of the countries of production.
    countries: Vec<String>,
    /// At most twenty, in billing order.
    #[schema(max_items = 20)]
    cast: Vec<CastBody>,
    directors: Vec<String>,
    /// Whether the caller has watched it.
    watched: bool,
    /// The caller's latest viewing.
    #[schema(value_type = Option<String>, format = DateTime)]
    watched_at: Option<Timestamp>,
}

/// Somebody who plays in a movie.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CastMember, example = json!({"name": "Edward Norton", "character": "Narrator"}))]
pub(crate) struct CastBody {
    name: String,
    character: String,
}

/// Read a movie's details
///
/// Falls through to TMDb for what is not stored. A movie that is unknown while TMDb is down is
/// 503, not 404.
#[utoipa::path(get, path = "/api/v1/movies/{id}", tag = "movies",
    params(("id" = u32, Path, minimum = 1, maximum = 2147483647, example = 550)),
    responses((status = 200, description = "The movie", body = DetailsBody,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn details(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id: MovieId = respond::path_id(&req, "id", ErrorCode::MovieNotFound)?;
    let entitlement = state.handles.entitlements.of(caller.id).await?;
    // Who may see nothing has nothing fetched for them.
    if entitlement.entitlement.genres.is_empty() {
        return Err(Problem::of(ErrorCode::MovieNotEntitled));
    }
    let found = state.handles.movies.details(id).await?;
    if !entitlement.entitlement.permits(&found.movie.genres) {
        return Err(Problem::of(ErrorCode::MovieNotEntitled));
    }
    let watched_at = state.watched_at.of(caller.id, id).await?;
    let (answers, stale) = (&state.answers, found.stale);
    let (key, stamp) = ((id, watched_at), answers.of_details(found.reading));
    let make = || encoded_details(state.clone(), Arc::clone(&found.movie), watched_at);
    let served = if stale {
        answers.details.get_or_make(&key, stamp, make).await?
    } else {
        answers.details.get(&key, stamp, make).await?
    };
    let mut response = answers.details.respond(&req, &key, &served).await;
    state.handles.trending.viewed(caller.id, id);
    if stale {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
}

async fn encoded_details(
    state: Data<AppState>,
    movie: Arc<Movie>,
    watched_at: Option<Timestamp>,
) -> Result<Encoded, Problem> {
    let genres = state.handles.genres.wait_for_list().await?;
    let body = MovieBody::new(&movie, &genres, &state.settings.image_base_url);
    Encoded::of(&DetailsBody::new(body, movie.details.as_ref(), watched_at))
}

impl DetailsBody {
    fn new(
        movie: MovieBody,
        details: Option<&MovieDetails>,
        watched_at: Option<Timestamp>,
    ) -> Self {
        let cast = |details: &MovieDetails| {
            let member = |member: &watchme_actors::domain::CastMember| CastBody {
                name: member.name.clone(),
                character: member.character.clone(),
            };
            details.cast.iter().map(member).collect()
        };
        Self {
            movie,
            runtime: details.and_then(|details| details.runtime),
            tagline: details.map(|details| details.tagline.clone()).unwrap_or_default(),
            status: details.map(|details| details.status.clone()).unwrap_or_default(),
            homepage: details.and_then(|details| details.homepage.clone()),
            imdb_id: details.and_then(|details| details.imdb_id.clone()),
            budget: details.and_then(|details| details.budget),
            revenue: details.and_then(|details| details.revenue),
            countries: details.map(|details| details.countries.clone()).unwrap_or_default(),
            cast: details.map(cast).unwrap_or_default(),
            directors: details.map(|details| details.directors.clone()).unwrap_or_default(),
            watched: watched_at.is_some(),
            watched_at,
        }
    }
}
