//! The viewings of a mark.

use std::cmp::Reverse;

use sqlx::{AnyConnection, any::AnyRow};
use watchme_actors::{
    domain::{MovieId, Play, PlayId, Precision, Timestamp, UserId, Viewing},
    ports::{AddPlay, Created, IdempotencyKey, MAX_PLAYS, StoreError, WatchError},
};

use super::transaction::{Locked, lock};
use crate::adapters::sql::{
    SqlStore,
    dialect::Dialect,
    errors::Db,
    idempotency::{self, Claim},
    rows::{get, number, parsed, time},
    work::Tx,
};

pub(in crate::adapters::sql) const PLAYS: &str = "SELECT id, watched_at, day_only FROM plays
    WHERE user_id = ? AND movie_id = ? ORDER BY watched_at DESC, id DESC";

pub(in crate::adapters::sql) const COUNT: &str =
    "SELECT COUNT(*) AS total FROM plays WHERE user_id = ? AND movie_id = ?";

fn day_only(precision: Precision) -> i16 {
    i16::from(precision == Precision::Day)
}

pub(super) fn play_from(row: &AnyRow) -> Result<Play, StoreError> {
    let day_only: i64 = get(row, "day_only")?;
    Ok(Play {
        id: parsed(row, "id")?,
        viewing: Viewing {
            watched_at: time(row, "watched_at")?,
            precision: if day_only == 0 { Precision::Second } else { Precision::Day },
        },
    })
}

/// Sorts plays as every reader sees them: latest first, ties by descending id.
pub(super) fn latest_first(plays: &mut [Play]) {
    plays.sort_unstable_by_key(|play| Reverse((play.viewing.watched_at, play.id)));
}

pub(super) async fn plays_of(
    conn: &mut AnyConnection,
    user: UserId,
    movie: MovieId,
) -> Result<Vec<Play>, StoreError> {
    let rows = sqlx::query(PLAYS)
        .bind(user.to_string())
        .bind(i64::from(movie))
        .fetch_all(conn)
        .await
        .db()?;
    rows.iter().map(play_from).collect()
}

pub(super) async fn insert_play(
    conn: &mut AnyConnection,
    locked: &Locked,
    play: &Play,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO plays (user_id, movie_id, watched_at, id, day_only) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(locked.user.to_string())
    .bind(i64::from(locked.movie))
    .bind(play.viewing.watched_at.as_millis())
    .bind(play.id.to_string())
    .bind(day_only(play.viewing.precision))
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

/// Gives a play another viewing.
pub(super) async fn rewrite_play(
    conn: &mut AnyConnection,
    locked: &Locked,
    play: &Play,
    viewing: Viewing,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE plays SET watched_at = ?, day_only = ?
         WHERE user_id = ? AND movie_id = ? AND watched_at = ? AND id = ?",
    )
    .bind(viewing.watched_at.as_millis())
    .bind(day_only(viewing.precision))
    .bind(locked.user.to_string())
    .bind(i64::from(locked.movie))
    .bind(play.viewing.watched_at.as_millis())
    .bind(play.id.to_string())
    .execute(conn)
    .await
    .db()?;
    Ok(())
}

pub(super) async fn add(
    store: &SqlStore,
    request: AddPlay,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Created<Play>, WatchError> {
    let request = &request;
    store
        .write(|mut tx| async move {
            let claim = idempotency::claim(&mut tx, idempotency, request.now).await?;
            if let Claim::Repeated(play) = claim {
                return Ok(Created::Before(play));
            }
            let play = insert(&mut tx, store.dialect, request).await?;
            idempotency::answer(&mut tx, idempotency, Some(request.user), &play).await?;
            Ok(Created::Now(play))
        })
        .await
}

async fn insert(tx: &mut Tx, dialect: Dialect, request: &AddPlay) -> Result<Play, WatchError> {
    let locked = lock(tx, dialect, request.user, request.movie_id).await?;
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    let count = sqlx::query(COUNT)
        .bind(request.user.to_string())
        .bind(i64::from(request.movie_id))
        .fetch_one(&mut **tx)
        .await
        .db()?;
    if number::<u64>(&count, "total")? >= u64::from(MAX_PLAYS) {
        return Err(WatchError::TooManyPlays);
    }
    let play = Play { id: PlayId::generate(), viewing: request.viewing };
    insert_play(tx, &locked, &play).await?;
    let watched_at = mark.watched_at.max(play.viewing.watched_at);
    locked.move_mark(tx, mark, watched_at, request.now).await?;
    Ok(play)
}

pub(super) async fn delete(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
    play: PlayId,
    now: Timestamp,
) -> Result<(), WatchError> {
    store
        .write(
            |mut tx| async move { delete_in(&mut tx, store.dialect, user, movie, play, now).await },
        )
        .await
}

async fn delete_in(
    tx: &mut Tx,
    dialect: Dialect,
    user: UserId,
    movie: MovieId,
    play: PlayId,
    now: Timestamp,
) -> Result<(), WatchError> {
    let locked = lock(tx, dialect, user, movie).await?;
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    let mut plays = plays_of(tx, user, movie).await?;
    let place = plays.iter().position(|found| found.id == play).ok_or(WatchError::PlayNotFound)?;
    let deleted = plays.remove(place);
    let Some(latest) = plays.first() else {
        return Ok(locked.remove_mark(tx, mark, now).await?);
    };
    sqlx::query(
        "DELETE FROM plays WHERE user_id = ? AND movie_id = ? AND watched_at = ? AND id = ?",
    )
    .bind(user.to_string())
    .bind(i64::from(movie))
    .bind(deleted.viewing.watched_at.as_millis())
    .bind(play.to_string())
    .execute(&mut **tx)
    .await
    .db()?;
    Ok(locked.move_mark(tx, mark, latest.viewing.watched_at, now).await?)
}
