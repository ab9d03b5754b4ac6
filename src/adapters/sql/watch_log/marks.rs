//! Setting and removing marks.

use sqlx::{Any, AnyConnection, QueryBuilder};
use watchme_actors::{
    domain::{
        MovieId, MovieSnapshot, Play, PlayId, Precision, Timestamp, UserId, Viewing, WatchedMark,
    },
    ports::{MarkMovie, Marked, StoreError, WatchError},
};

use super::{
    plays::{insert_play, latest_first, plays_of, rewrite_play},
    transaction::{Kind, Locked, entitlement, lock},
};
use crate::adapters::sql::{
    SqlStore,
    dialect::Dialect,
    errors::{Db, corrupt},
    rows::{signed, to_json},
    work::Tx,
};

pub(super) async fn mark(store: &SqlStore, request: MarkMovie) -> Result<Marked, WatchError> {
    let request = &request;
    store.write(|mut tx| async move { mark_in(&mut tx, store.dialect, request).await }).await
}

async fn mark_in(tx: &mut Tx, dialect: Dialect, request: &MarkMovie) -> Result<Marked, WatchError> {
    let locked = lock(tx, dialect, request.user, request.movie_id).await?;
    if let Some(mark) = locked.mark.clone() {
        let mark = correct(tx, &locked, mark, request).await?;
        return Ok(Marked { mark, created: false });
    }
    let movie = request.movie.clone().ok_or(WatchError::MovieRequired)?;
    // The request's own moment may lie before a cancellation that was committed since.
    let at = request.now.max(locked.cancelled_at);
    let permitted = entitlement(tx, dialect, request.user, at, request.mode).await?;
    if !permitted.permits(&movie.genres) {
        return Err(WatchError::NotEntitled);
    }
    let viewing = request
        .viewing
        .unwrap_or(Viewing { watched_at: request.now, precision: Precision::Second });
    let mark = WatchedMark {
        movie: MovieSnapshot { id: request.movie_id, ..movie },
        watched_at: viewing.watched_at,
        marked_at: request.now,
        marked_seq: locked.next_seq(),
        plays: vec![Play { id: PlayId::generate(), viewing }],
    };
    insert_mark(tx, &locked, &mark).await?;
    locked.record(tx, &mark.movie, Kind::Marked(mark.watched_at), request.now).await?;
    Ok(Marked { mark, created: true })
}

async fn insert_mark(
    conn: &mut AnyConnection,
    locked: &Locked,
    mark: &WatchedMark,
) -> Result<(), StoreError> {
    let user = locked.user.to_string();
    let movie = i64::from(mark.movie.id);
    sqlx::query(
        "INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.as_str())
    .bind(movie)
    .bind(mark.movie.title.as_str())
    .bind(to_json(&mark.movie.genres)?)
    .bind(mark.watched_at.as_millis())
    .bind(mark.marked_at.as_millis())
    .bind(signed(mark.marked_seq)?)
    .execute(&mut *conn)
    .await
    .db()?;
    for play in &mark.plays {
        insert_play(conn, locked, play).await?;
    }
    // One statement for each number of genres; movies have few, so they stay in the cache.
    QueryBuilder::<Any>::new("INSERT INTO mark_genres (user_id, movie_id, genre_id) ")
        .push_values(mark.movie.genres.iter(), |mut row, genre| {
            row.push_bind(user.clone()).push_bind(movie).push_bind(i64::from(genre));
        })
        .build()
        .execute(conn)
        .await
        .db()?;
    Ok(())
}

/// Corrects the latest play of an existing mark, if the request brings another viewing. Gives the
/// mark as it stands now.
async fn correct(
    tx: &mut Tx,
    locked: &Locked,
    mark: WatchedMark,
    request: &MarkMovie,
) -> Result<WatchedMark, WatchError> {
    let mut plays = plays_of(tx, locked.user, locked.movie).await?;
    let Some(viewing) = request.viewing else {
        return Ok(WatchedMark { plays, ..mark });
    };
    // A correction may make another play the latest: repeating the request must not correct that
    // one as well.
    if plays.iter().any(|play| play.viewing == viewing) {
        return Ok(WatchedMark { plays, ..mark });
    }
    let latest = plays.first_mut().ok_or_else(|| corrupt("a mark has no play"))?;
    rewrite_play(tx, locked, latest, viewing).await?;
    latest.viewing = viewing;
    latest_first(&mut plays);
    let watched_at = plays.first().map_or(viewing.watched_at, |play| play.viewing.watched_at);
    locked.move_mark(tx, &mark, watched_at, request.now).await?;
    Ok(WatchedMark { watched_at, plays, ..mark })
}

pub(super) async fn unmark(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
    now: Timestamp,
) -> Result<bool, WatchError> {
    store
        .write(|mut tx| async move {
            let locked = lock(&mut tx, store.dialect, user, movie).await?;
            let Some(mark) = &locked.mark else { return Ok(false) };
            locked.remove_mark(&mut tx, mark, now).await?;
            Ok(true)
        })
        .await
}
