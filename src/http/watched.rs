//! `/watched`: the caller's marks.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use watchme_actors::{
    domain::{
        GenreList, MovieId, MovieSnapshot, Play, PlayId, Precision, Timestamp, Viewing, WatchedMark,
    },
    ports::{MarkFilter, MarkMovie, WatchError},
};

use super::{
    AppState, ErrorCode, Problem,
    body::{RawBody, given},
    check::Check,
    guard::Caller,
    layers,
    pages::{self, PageBody},
    query, respond,
    shapes::{GenreRef, named},
    times::TimeOrDate,
};

/// A movie that the caller has watched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Watched, example = json!({
    "movieId": 550, "title": "Fight Club", "genres": [{"id": 18, "name": "Drama"}],
    "watchedAt": "2026-03-01T20:15:00Z",
    "plays": [{"id": "0190f5fe-7c00-7a00-8000-000000000004", "watchedAt": "2026-03-01T20:15:00Z", "precision": "second"}],
    "markedAt": "2026-03-01T22:40:00Z"}))]
pub(crate) struct WatchedBody {
    /// TMDb's number.
    #[schema(value_type = u32, minimum = 1, maximum = 2147483647)]
    movie_id: MovieId,
    /// As it was when the movie was marked.
    title: String,
    /// As they were when the movie was marked, with their names now.
    genres: Vec<GenreRef>,
    /// The latest play.
    #[schema(value_type = String, format = DateTime)]
    watched_at: Timestamp,
    /// Latest first.
    #[schema(min_items = 1)]
    plays: Vec<PlayBody>,
    #[schema(value_type = String, format = DateTime)]
    marked_at: Timestamp,
}

/// One viewing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Play, example = json!({"id": "0190f5fe-7c00-7a00-8000-000000000004", "watchedAt": "2026-03-01T12:00:00Z", "precision": "day"}))]
pub(crate) struct PlayBody {
    #[schema(value_type = Uuid)]
    id: PlayId,
    #[schema(value_type = String, format = DateTime)]
    watched_at: Timestamp,
    /// `day`: only the date is known, and the time stands at noon UTC.
    #[schema(value_type = String, pattern = "^(day|second)$")]
    precision: Precision,
}

impl From<Play> for PlayBody {
    fn from(play: Play) -> Self {
        Self { id: play.id, watched_at: play.viewing.watched_at, precision: play.viewing.precision }
    }
}

impl WatchedBody {
    fn new(mark: WatchedMark, genres: &GenreList) -> Self {
        Self {
            movie_id: mark.movie.id,
            title: mark.movie.title,
            genres: named(&mark.movie.genres, genres),
            watched_at: mark.watched_at,
            plays: mark.plays.into_iter().map(PlayBody::from).collect(),
            marked_at: mark.marked_at,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchedQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Only movies of this genre.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 2147483647)]
    genre_id: Option<String>,
    /// Earliest `watchedAt`, inclusive: an RFC 3339 time, or a date, from its beginning (UTC).
    #[param(required = false, format = "date-or-time", example = "2026-03-01")]
    from: Option<String>,
    /// Latest `watchedAt`: an RFC 3339 time, exclusive, or a date, with the whole of it (UTC).
    #[param(required = false, format = "date-or-time", example = "2026-03-31")]
    to: Option<String>,
}

/// List what one has watched
///
/// Latest first. Losing a package removes nothing from here.
#[utoipa::path(get, path = "/api/v1/watched", tag = "watched", params(WatchedQuery),
    responses((status = 200, description = "A page of marks", body = PageBody<WatchedBody>)))]
pub(crate) async fn list(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let wanted: WatchedQuery = query::parse(&req)?;
    let mut check = Check::query();
    let page =
        pages::requested(&mut check, wanted.page_number.as_deref(), wanted.page_size.as_deref());
    let genre = check.optional("genreId", wanted.genre_id.as_deref());
    let from = check.optional::<TimeOrDate>("from", wanted.from.as_deref());
    let to = check.optional::<TimeOrDate>("to", wanted.to.as_deref());
    check.done()?;
    let filter =
        MarkFilter { genre, from: from.map(TimeOrDate::beginning), to: to.map(TimeOrDate::end) };
    let found = state.ports.watch_log.marks(caller.id, &filter, page).await?;
    let genres = state.handles.genres.wait_for_list().await?;
    respond::ok(&PageBody::from(found.map(|mark| WatchedBody::new(mark, &genres))))
}

/// Read one mark
#[utoipa::path(get, path = "/api/v1/watched/{movieId}", tag = "watched",
    params(("movieId" = u32, Path, minimum = 1, maximum = 2147483647, example = 550)),
    responses((status = 200, description = "The mark", body = WatchedBody)))]
pub(crate) async fn read(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let mark = state.ports.watch_log.mark_of(caller.id, movie_id(&req)?).await?;
    let mark = mark.ok_or_else(|| Problem::of(ErrorCode::NotWatched))?;
    respond::ok(&WatchedBody::new(mark, &*state.handles.genres.wait_for_list().await?))
}

/// When a movie was watched.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = Viewing, example = json!({"watchedAt": "2026-03-01"}))]
pub(crate) struct ViewingBody {
    /// An RFC 3339 time, or a date where only the day is known. Not before 1900, at most 24 h
    /// from now. Now when not given.
    #[schema(value_type = String, format = "date-or-time", required = false)]
    #[serde(default, deserialize_with = "given")]
    watched_at: Option<String>,
}

impl ViewingBody {
    pub(crate) fn viewing(&self, now: Timestamp) -> Result<Option<Viewing>, Problem> {
        let Some(text) = &self.watched_at else { return Ok(None) };
        let viewing = text.parse::<TimeOrDate>().and_then(|parsed| parsed.viewing(now));
        viewing.map(Some).map_err(|reason| Problem::field("watchedAt", reason))
    }
}

/// Mark a movie as watched
///
/// A new mark needs the movie to be permitted. Marking again needs no entitlement and changes
/// nothing, unless it brings another `watchedAt`, which then corrects the latest play.
#[utoipa::path(put, path = "/api/v1/watched/{movieId}", tag = "watched",
    params(("movieId" = u32, Path, minimum = 1, maximum = 2147483647, example = 550)),
    request_body = Option<ViewingBody>,
    responses((status = 201, description = "The new mark", body = WatchedBody,
            headers(("Location" = String, description = "The mark's address"))),
        (status = 200, description = "The mark as it is now", body = WatchedBody)))]
pub(crate) async fn mark(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let movie_id = movie_id(&req)?;
    let genres = state.handles.genres.wait_for_list().await?;
    let entitlement = state.handles.entitlements.of(caller.id).await?;
    // Who may see nothing has nothing fetched for them; what they have marked needs no movie.
    let found = if entitlement.entitlement.genres.is_empty() {
        Err(Problem::of(ErrorCode::MovieNotEntitled))
    } else {
        let snapshot = state.handles.movies.snapshot(movie_id);
        layers::aside(&req, snapshot).await?.map_err(Problem::from)
    };
    let now = state.ports.clock.now();
    let viewing = match body.parse_or_default::<ViewingBody>().and_then(|body| body.viewing(now)) {
        Ok(viewing) => viewing,
        // Whether the caller may comes before what is wrong with the body.
        Err(problem) => {
            may_mark(&state, caller, movie_id, found).await?;
            return Err(problem);
        }
    };
    let (movie, missing) = match found {
        Ok(movie) => (Some(movie), None),
        Err(error) => (None, Some(error)),
    };
    let mode = state.settings.entitlement_mode;
    let request = MarkMovie { user: caller.id, movie_id, movie, viewing, mode, now };
    let marking = state.ports.watch_log.mark(request);
    let marked = state.watched_at.changing(caller.id, marking).await;
    let marked = marked.map_err(|error| match (error, missing) {
        (WatchError::MovieRequired, Some(why)) => why,
        (error, _) => Problem::from(error),
    })?;
    let body = WatchedBody::new(marked.mark, &genres);
    if !marked.created {
        return respond::ok(&body);
    }
    let location = format!("/api/v1/watched/{movie_id}");
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(body))
}

async fn may_mark(
    state: &AppState,
    caller: Caller,
    id: MovieId,
    found: Result<MovieSnapshot, Problem>,
) -> Result<(), Problem> {
    if state.ports.watch_log.mark_of(caller.id, id).await?.is_some() {
        return Ok(());
    }
    let movie = found?;
    let entitlement = state.handles.entitlements.of(caller.id).await?;
    if entitlement.entitlement.permits(&movie.genres) {
        return Ok(());
    }
    Err(Problem::of(ErrorCode::MovieNotEntitled))
}

/// Remove a mark
///
/// With its plays. Needs no entitlement, and is the same when there was none.
#[utoipa::path(delete, path = "/api/v1/watched/{movieId}", tag = "watched",
    params(("movieId" = u32, Path, minimum = 1, maximum = 2147483647, example = 550)),
    responses((status = 204, description = "It is not marked, or not any more")))]
pub(crate) async fn unmark(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let now = state.ports.clock.now();
    let unmarking = state.ports.watch_log.unmark(caller.id, movie_id(&req)?, now);
    state.watched_at.changing(caller.id, unmarking).await?;
    Ok(respond::no_content())
}

pub(crate) fn movie_id(req: &HttpRequest) -> Result<MovieId, Problem> {
    respond::path_id(req, "movieId", ErrorCode::MovieNotFound)
}
