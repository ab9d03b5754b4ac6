//! `/movies`: the catalogue, as far as the caller's subscriptions permit.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_STATUS, HeaderValue},
    web::Data,
};
use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::domain::{MovieDetails, MovieId, MovieQuery, Page, PageRequest, Timestamp};

use super::{
    AppState, ErrorCode, Problem, conditional,
    guard::Caller,
    movies_query::{MoviesQuery, PopularQuery, SearchQuery, Wanted},
    page_cache::{EncodedPage, PageKey},
    pages::PageBody,
    query, respond,
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
    let wanted = query::parse::<MoviesQuery>(&req)?.wanted()?;
    page_of(&req, &state, caller, wanted, None).await
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
    let wanted = query::parse::<PopularQuery>(&req)?.wanted()?;
    page_of(&req, &state, caller, wanted, None).await
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
    let (wanted, text) = query::parse::<SearchQuery>(&req)?.wanted()?;
    page_of(&req, &state, caller, wanted, Some(&text)).await
}

async fn page_of(
    req: &HttpRequest,
    state: &AppState,
    caller: Caller,
    wanted: Wanted,
    search: Option<&str>,
) -> Result<HttpResponse, Problem> {
    let entitlement = state.handles.entitlements.of(caller.id).await?;
    let entitlement = (*entitlement.entitlement).clone();
    let Some(query) = MovieQuery::new(wanted.filter, entitlement, wanted.sort) else {
        return respond::ok_tagged(req, &PageBody::<MovieBody>::from(Page::empty(wanted.page)));
    };
    let asked = match search {
        Some(text) => state.handles.movies.prepare_search(text).await,
        None => true,
    };
    let mut served_stale = false;
    let page = match wanted.watched {
        Some(watched) => {
            let movies = state.ports.watch_log.watched_movies(caller.id).await?;
            encoded(state, &query.with_watched(watched, movies), wanted.page).await?
        }
        // The same for everybody who asks the same and may see the same. What was found while
        // TMDb could not be asked is not kept: the next one may have better luck.
        None => {
            let key = PageKey { query, page: wanted.page };
            match state.pages.get(&key) {
                Some(page) => page,
                None => {
                    let epoch = state.pages.epoch();
                    match encoded(state, &key.query, key.page).await {
                        Ok(page) => {
                            if asked {
                                state.pages.put(key, page.clone(), epoch);
                            }
                            page
                        }
                        Err(problem) if problem.code() == ErrorCode::StoreUnavailable => {
                            served_stale = true;
                            state.pages.get_stale(&key).ok_or(problem)?
                        }
                        Err(problem) => return Err(problem),
                    }
                }
            }
        }
    };
    let mut response = conditional::answer(req, &page.tag, page.body);
    if !asked || served_stale || is_stale(state) {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
}

/// Whether what is shown may be older than it should be.
pub(super) fn is_stale(state: &AppState) -> bool {
    state.handles.movies.stale() || state.ports.documents.is_away()
}

async fn encoded(
    state: &AppState,
    query: &MovieQuery,
    page: PageRequest,
) -> Result<EncodedPage, Problem> {
    let found = state.handles.movies.list(query, page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let images = &state.settings.image_base_url;
    let found = found.map(|movie| MovieBody::new(&movie, &genres, images));
    let body = respond::encode(&PageBody::from(found))?;
    let tag = conditional::tag_of(&body).into();
    Ok(EncodedPage { body, tag })
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
    let mark = state.ports.watch_log.mark_of(caller.id, id).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    let movie = MovieBody::new(&found.movie, &genres, &state.settings.image_base_url);
    let watched_at = mark.map(|mark| mark.watched_at);
    let body = DetailsBody::new(movie, found.movie.details.as_ref(), watched_at);
    let mut response = respond::ok_tagged(&req, &body)?;
    state.handles.trending.viewed(caller.id, id);
    if found.stale {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
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
