//! `/movies/trending`: what is being watched, as far as the caller's subscriptions permit.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header::CACHE_STATUS, web::Data};
use watchme_actors::domain::Page;

use super::{
    AppState, Problem,
    answers::{Encoded, TrendingKey},
    guard::Caller,
    movies::{STALE, is_stale},
    movies_query::TrendingQuery,
    pages::PageBody,
    query,
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
    let entitlement = Arc::clone(&state.handles.entitlements.of(caller.id).await?.entitlement);
    let answers = &state.answers;
    let stamp = answers.of_trending();
    let films = state.handles.trending.films();
    let key: TrendingKey = (entitlement, req.query_string().into());
    let make = || encoded_page(state.clone(), key.clone());
    let served = answers.trending.get(&key, stamp, make).await?;
    let mut response = answers.trending.respond(&req, &key, &served).await;
    let fresh = films.age().is_some_and(|age| age < FRESH);
    if !fresh || is_stale(&state) {
        response.headers_mut().insert(CACHE_STATUS, STALE);
    }
    Ok(response)
}

async fn encoded_page(
    state: Data<AppState>,
    (entitlement, query): TrendingKey,
) -> Result<Encoded, Problem> {
    let (window, page) = query::parse_text::<TrendingQuery>(&query)?.wanted()?;
    let films = state.handles.trending.films();
    let permitted: Vec<_> =
        films.of(window).iter().filter(|movie| entitlement.permits(&movie.genres)).collect();
    let genres = state.handles.genres.wait_for_list().await?;
    let images = &state.settings.image_base_url;
    let found =
        Page::cut(permitted.into_iter(), page).map(|movie| MovieBody::new(movie, &genres, images));
    Encoded::of(&PageBody::from(found))
}
