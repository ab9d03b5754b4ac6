//! Setting and removing marks.

use watchme_actors::{
    domain::{
        MovieId, MovieSnapshot, Play, PlayId, Precision, Timestamp, UserId, Viewing, WatchedMark,
    },
    ports::{MarkMovie, Marked, StoreError, WatchError},
};

use super::{
    plays::{latest_first, to_column},
    together::{self, Together},
    transaction::{Holding, Kind, Locked, ask_entitlement, entitlement, lock},
};
use crate::adapters::sql::{
    SqlStore,
    batch::{Answers, Batch},
    errors::corrupt,
    rows::{signed, to_json},
    work::Tx,
};

pub(super) async fn mark(store: &SqlStore, request: MarkMovie) -> Result<Marked, WatchError> {
    match together::mark(store, request).await? {
        Together::Done(marked) => Ok(marked),
        // It has waited, and been let in.
        Together::Alone(request) => {
            let opening = opening(store, &request);
            let request = &request;
            store
                .write_on_after(&opening, async |mut tx, answers| {
                    mark_in(&mut tx, answers, request)
                })
                .await
        }
    }
}

fn opening(store: &SqlStore, request: &MarkMovie) -> Batch {
    let opening = lock(store.dialect, request.user, request.movie_id);
    ask_entitlement(opening, store.dialect, request.user, request.now)
}

fn mark_in(tx: &mut Tx, mut answers: Answers, request: &MarkMovie) -> Result<Marked, WatchError> {
    let locked = Locked::of(request.user, request.movie_id, &mut answers)?;
    if let Some(mark) = locked.mark.clone() {
        let mark = correct(tx, &locked, mark, request)?;
        return Ok(Marked { mark, created: false });
    }
    let held = answers.rows().iter().map(Holding::of).collect::<Result<Vec<_>, _>>()?;
    let mark = new_mark(&locked, &held, request)?;
    let kind = Kind::Marked((mark.watched_at, mark.marked_seq));
    locked.record(tx, insert_mark(&locked, &mark)?, &mark.movie, kind, request.now)?;
    Ok(Marked { mark, created: true })
}

/// The mark of a movie that is not marked yet, if its user may have it.
pub(super) fn new_mark(
    locked: &Locked,
    held: &[Holding],
    request: &MarkMovie,
) -> Result<WatchedMark, WatchError> {
    let movie = request.movie.clone().ok_or(WatchError::MovieRequired)?;
    // The request's own moment may lie before a cancellation that was committed since.
    let at = request.now.max(locked.cancelled_at);
    if !entitlement(held, at, request.mode).permits(&movie.genres) {
        return Err(WatchError::NotEntitled);
    }
    let viewing = request
        .viewing
        .unwrap_or(Viewing { watched_at: request.now, precision: Precision::Second });
    Ok(WatchedMark {
        movie: MovieSnapshot { id: request.movie_id, ..movie },
        watched_at: viewing.watched_at,
        marked_at: request.now,
        marked_seq: locked.next_seq(),
        plays: vec![Play { id: PlayId::generate(), viewing }],
    })
}

fn insert_mark(locked: &Locked, mark: &WatchedMark) -> Result<Batch, StoreError> {
    let user = locked.user.as_uuid();
    let movie = i64::from(mark.movie.id);
    Ok(Batch::new()
        .then(
            "INSERT INTO marks
                (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq, plays)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(user)
        .bind(movie)
        .bind(mark.movie.title.as_str())
        .bind(to_json(&mark.movie.genres)?)
        .bind(mark.watched_at.as_millis())
        .bind(mark.marked_at.as_millis())
        .bind(signed(mark.marked_seq)?)
        .bind(to_column(&mark.plays)?))
}

/// Corrects the latest play of an existing mark, if the request brings another viewing. Gives the
/// mark as it stands now.
fn correct(
    tx: &mut Tx,
    locked: &Locked,
    mark: WatchedMark,
    request: &MarkMovie,
) -> Result<WatchedMark, WatchError> {
    let Some(viewing) = request.viewing else { return Ok(mark) };
    // A correction may make another play the latest: repeating the request must not correct that
    // one as well.
    if mark.plays.iter().any(|play| play.viewing == viewing) {
        return Ok(mark);
    }
    let mut plays = mark.plays.clone();
    plays.first_mut().ok_or_else(|| corrupt("a mark has no play"))?.viewing = viewing;
    latest_first(&mut plays);
    let watched_at = locked.rewrite_plays(tx, &mark, &plays, request.now)?;
    Ok(WatchedMark { watched_at, plays, ..mark })
}

pub(super) async fn unmark(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
    now: Timestamp,
) -> Result<bool, WatchError> {
    let opening = lock(store.dialect, user, movie);
    store
        .write_after(&opening, |mut tx, mut answers| async move {
            let locked = Locked::of(user, movie, &mut answers)?;
            let Some(mark) = &locked.mark else { return Ok(false) };
            locked.remove_mark(&mut tx, mark, now)?;
            Ok(true)
        })
        .await
}
