//! `/movies/trending`: what is being watched, as far as the caller's subscriptions permit.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header::CACHE_STATUS, web::Data};
use watchme_actors::domain::Page;

use super::{
    AppState, Problem,
    guard::Caller,
    movies::{STALE, is_stale},
    movies_query::TrendingQuery,
    pages::PageBody,
    query, respond,
    shapes::MovieBody,
};

/// What was read longer ago than this is not what every replica shows.
const FRESH: Duration = Duration::from_secs(60);

/// List the movies that are watched most and that one may see
///
/// By score, highest first, ties by ascending id: reading a movie's details counts 1 (once an hour
/// for each user), marking it as watched 5. Counted by the hour and read again every 20 seconds;
/// at most 1,000 movies a window. Where they could not be read lately, or TMDb cannot be asked,
/// the answer carries `Cache-Status: watchme; hit; detail=stale`.
#[utoipa::path(get, path = "/api/v1/movies/trending", tag = "movies", params(TrendingQuery),
    responses((status = 200, description = "A page of movies", body = PageBody<MovieBody>,
        headers(("ETag" = String, description = "Names this answer")))))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let (window, page) = query::parse::<TrendingQuery>(&req)?.wanted()?;
    let entitlement = state.handles.entitlements.of(caller.id).await?;
    if entitlement.entitlement.genres.is_empty() {
        return respond::ok_tagged(&req, &PageBody::<MovieBody>::from(Page::empty(page)));
    }
    let films = state.handles.trending.films();
    let permitted: Vec<_> = films
        .of(window)
        .iter()
        .filter(|movie| entitlement.entitlement.permits(&movie.genres))
        .collect();
    let genres = state.handles.genres.wait_for_list().await?;
    let images = &state.settings.image_base_url;
    let found =
        Page::cut(permitted.into_iter(), page).map(|movie| MovieBody::new(movie, &genres, images));
    let mut response = respond::ok_tagged(&req, &PageBody::from(found))?;
    let fresh = films.age().is_some_and(|age| age < FRESH);
    if !fresh || is_stale(&state) {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
}
