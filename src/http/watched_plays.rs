//! `/watched/{movieId}/plays`: single viewings.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use watchme_actors::{
    domain::{PlayId, Precision, Viewing},
    ports::AddPlay,
};

use super::{
    AppState, ErrorCode, Problem,
    body::RawBody,
    guard::Caller,
    idempotency::Sender,
    respond,
    watched::{PlayBody, ViewingBody, movie_id},
};

/// Add a viewing to a mark
///
/// The mark's `watchedAt` is always its latest play.
#[utoipa::path(post, path = "/api/v1/watched/{movieId}/plays", tag = "watched",
    request_body = Option<ViewingBody>,
    params(("movieId" = u32, Path, minimum = 1, maximum = 2147483647, example = 550),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200,
        description = "Visible ASCII; the same request within 24 h is carried out once")),
    responses((status = 201, description = "The play", body = PlayBody,
        headers(("Location" = String, description = "The play's address")))))]
pub(crate) async fn add(
    req: HttpRequest,
    caller: Caller,
    body: RawBody,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let movie_id = movie_id(&req)?;
    let now = state.ports.clock.now();
    let form = state.fingerprints.key(&req, Sender::User(caller.id), &body).and_then(|key| {
        let viewing = body.parse_or_default::<ViewingBody>()?.viewing(now)?;
        Ok((key, viewing.unwrap_or(Viewing { watched_at: now, precision: Precision::Second })))
    });
    let (key, viewing) = match form {
        Ok(form) => form,
        // Whether there is a mark comes before what is wrong with the form.
        Err(problem) => {
            let mark = state.ports.watch_log.mark_of(caller.id, movie_id).await?;
            return Err(mark.map_or_else(|| Problem::of(ErrorCode::NotWatched), |_| problem));
        }
    };
    let request = AddPlay { user: caller.id, movie_id, viewing, now };
    let adding = state.ports.watch_log.add_play(request, key.as_ref());
    let created = state.watched_at.changing(caller.id, adding).await?;
    respond::created(
        created,
        |play| format!("/api/v1/watched/{movie_id}/plays/{}", play.id),
        PlayBody::from,
    )
}

/// Delete a viewing
///
/// Deleting the last one removes the mark.
#[utoipa::path(delete, path = "/api/v1/watched/{movieId}/plays/{playId}", tag = "watched",
    params(("movieId" = u32, Path, minimum = 1, maximum = 2147483647, example = 550),
        ("playId" = Uuid, Path)),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    req: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let movie = movie_id(&req)?;
    let play: PlayId = respond::path_id(&req, "playId", ErrorCode::PlayNotFound)?;
    let now = state.ports.clock.now();
    let deleting = state.ports.watch_log.delete_play(caller.id, movie, play, now);
    state.watched_at.changing(caller.id, deleting).await?;
    Ok(respond::no_content())
}
