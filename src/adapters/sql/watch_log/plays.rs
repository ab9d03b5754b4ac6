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
    batch::Batch,
    errors::Db,
    idempotency::{self, Claim},
    rows::{get, number, parsed, time},
    work::Tx,
};

pub(in crate::adapters::sql) const PLAYS: &str = "SELECT id, watched_at, day_only FROM plays
    WHERE user_id = ? AND movie_id = ? ORDER BY watched_at DESC, id DESC";

pub(in crate::adapters::sql) const COUNT: &str =
    "SELECT COUNT(*) AS total FROM plays WHERE user_id = ? AND movie_id = ?";

pub(super) fn day_only(precision: Precision) -> i64 {
    i64::from(precision == Precision::Day)
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

/// Adds to a change what writes a play.
pub(super) fn insert_play(change: Batch, locked: &Locked, play: &Play) -> Batch {
    change
        .then(
            "INSERT INTO plays (user_id, movie_id, watched_at, id, day_only) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(locked.user.as_uuid())
        .bind(i64::from(locked.movie))
        .bind(play.viewing.watched_at.as_millis())
        .bind(play.id.as_uuid())
        .bind(day_only(play.viewing.precision))
}

/// Gives a play another viewing.
pub(super) fn rewrite_play(locked: &Locked, play: &Play, viewing: Viewing) -> Batch {
    Batch::new()
        .then(
            "UPDATE plays SET watched_at = ?, day_only = ?
             WHERE user_id = ? AND movie_id = ? AND watched_at = ? AND id = ?",
        )
        .bind(viewing.watched_at.as_millis())
        .bind(day_only(viewing.precision))
        .bind(locked.user.as_uuid())
        .bind(i64::from(locked.movie))
        .bind(play.viewing.watched_at.as_millis())
        .bind(play.id.as_uuid())
}

/// Adds a question about the plays of a mark.
fn ask(batch: Batch, sql: &'static str, user: UserId, movie: MovieId) -> Batch {
    batch.then(sql).bind(user.as_uuid()).bind(i64::from(movie))
}

pub(super) async fn add(
    store: &SqlStore,
    request: AddPlay,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Created<Play>, WatchError> {
    let AddPlay { user, movie_id, .. } = request;
    let opening = ask(lock(store.dialect, user, movie_id), COUNT, user, movie_id);
    let request = &request;
    store
        .write_after(&opening, |mut tx, mut answers| async move {
            let claim = idempotency::claim(&mut tx, idempotency, request.now).await?;
            if let Claim::Repeated(play) = claim {
                return Ok(Created::Before(play));
            }
            let locked = Locked::of(user, movie_id, &mut answers)?;
            let play = insert(&mut tx, &locked, &answers.rows(), request)?;
            idempotency::answer(&mut tx, idempotency, Some(user), &play).await?;
            Ok(Created::Now(play))
        })
        .await
}

fn insert(
    tx: &mut Tx,
    locked: &Locked,
    count: &[AnyRow],
    request: &AddPlay,
) -> Result<Play, WatchError> {
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    let count: u64 = count.first().map(|row| number(row, "total")).transpose()?.unwrap_or_default();
    if count >= u64::from(MAX_PLAYS) {
        return Err(WatchError::TooManyPlays);
    }
    let play = Play { id: PlayId::generate(), viewing: request.viewing };
    let change = insert_play(Batch::new(), locked, &play);
    let watched_at = mark.watched_at.max(play.viewing.watched_at);
    locked.move_mark(tx, change, mark, watched_at, request.now)?;
    Ok(play)
}

pub(super) async fn delete(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
    play: PlayId,
    now: Timestamp,
) -> Result<(), WatchError> {
    let opening = ask(lock(store.dialect, user, movie), PLAYS, user, movie);
    store
        .write_after(&opening, |mut tx, mut answers| async move {
            let locked = Locked::of(user, movie, &mut answers)?;
            delete_in(&mut tx, &locked, &answers.rows(), play, now)
        })
        .await
}

fn delete_in(
    tx: &mut Tx,
    locked: &Locked,
    plays: &[AnyRow],
    play: PlayId,
    now: Timestamp,
) -> Result<(), WatchError> {
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    let mut plays = plays.iter().map(play_from).collect::<Result<Vec<_>, _>>()?;
    let place = plays.iter().position(|found| found.id == play).ok_or(WatchError::PlayNotFound)?;
    let deleted = plays.remove(place);
    let Some(latest) = plays.first() else {
        return Ok(locked.remove_mark(tx, mark, now)?);
    };
    let change = Batch::new()
        .then("DELETE FROM plays WHERE user_id = ? AND movie_id = ? AND watched_at = ? AND id = ?")
        .bind(locked.user.as_uuid())
        .bind(i64::from(locked.movie))
        .bind(deleted.viewing.watched_at.as_millis())
        .bind(play.as_uuid());
    Ok(locked.move_mark(tx, change, mark, latest.viewing.watched_at, now)?)
}
