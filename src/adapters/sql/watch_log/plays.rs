//! The viewings of a mark, which are in its row.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use watchme_actors::{
    domain::{MovieId, Play, PlayId, Precision, Timestamp, UserId, Viewing},
    ports::{AddPlay, Created, IdempotencyKey, MAX_PLAYS, StoreError, WatchError},
};

use super::transaction::{Locked, lock};
use crate::adapters::sql::{
    SqlStore,
    idempotency::{self, Claim},
    rows::{json, to_json},
    work::Tx,
};

/// A play as it stands in a row: its identifier, when, in milliseconds, and 1 when only the day is
/// known.
#[derive(Serialize, Deserialize)]
struct Stored(PlayId, i64, u8);

impl From<&Play> for Stored {
    fn from(Play { id, viewing }: &Play) -> Self {
        let day_only = viewing.precision == Precision::Day;
        Self(*id, viewing.watched_at.as_millis(), day_only.into())
    }
}

impl From<Stored> for Play {
    fn from(Stored(id, watched_at, day_only): Stored) -> Self {
        let precision = if day_only == 0 { Precision::Second } else { Precision::Day };
        Self { id, viewing: Viewing { watched_at: Timestamp::from_millis(watched_at), precision } }
    }
}

/// Plays as a row holds them.
pub(super) fn plays_from(row: &AnyRow) -> Result<Vec<Play>, StoreError> {
    let stored: Vec<Stored> = json(row, "plays")?;
    Ok(stored.into_iter().map(Play::from).collect())
}

/// Plays for a row.
pub(super) fn to_column(plays: &[Play]) -> Result<String, StoreError> {
    to_json(&plays.iter().map(Stored::from).collect::<Vec<_>>())
}

/// Sorts plays as they are stored, and as every reader sees them: latest first, ties by descending
/// id.
pub(super) fn latest_first(plays: &mut [Play]) {
    plays.sort_unstable_by_key(|play| Reverse((play.viewing.watched_at, play.id)));
}

pub(super) async fn add(
    store: &SqlStore,
    request: AddPlay,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Created<Play>, WatchError> {
    let opening = lock(store.dialect, request.user, request.movie_id);
    let request = &request;
    store
        .write_after(&opening, |mut tx, mut answers| async move {
            let claim = idempotency::claim(&mut tx, idempotency, request.now).await?;
            if let Claim::Repeated(play) = claim {
                return Ok(Created::Before(play));
            }
            let locked = Locked::of(request.user, request.movie_id, &mut answers)?;
            let play = insert(&mut tx, &locked, request)?;
            idempotency::answer(&mut tx, idempotency, Some(request.user), &play).await?;
            Ok(Created::Now(play))
        })
        .await
}

fn insert(tx: &mut Tx, locked: &Locked, request: &AddPlay) -> Result<Play, WatchError> {
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    if mark.plays.len() >= MAX_PLAYS as usize {
        return Err(WatchError::TooManyPlays);
    }
    let play = Play { id: PlayId::generate(), viewing: request.viewing };
    let mut plays = mark.plays.clone();
    plays.push(play);
    latest_first(&mut plays);
    locked.rewrite_plays(tx, mark, &plays, request.now)?;
    Ok(play)
}

pub(super) async fn delete(
    store: &SqlStore,
    user: UserId,
    movie: MovieId,
    play: PlayId,
    now: Timestamp,
) -> Result<(), WatchError> {
    let opening = lock(store.dialect, user, movie);
    store
        .write_after(&opening, |mut tx, mut answers| async move {
            let locked = Locked::of(user, movie, &mut answers)?;
            delete_in(&mut tx, &locked, play, now)
        })
        .await
}

fn delete_in(tx: &mut Tx, locked: &Locked, play: PlayId, now: Timestamp) -> Result<(), WatchError> {
    let mark = locked.mark.as_ref().ok_or(WatchError::MarkNotFound)?;
    let mut plays = mark.plays.clone();
    let place = plays.iter().position(|found| found.id == play).ok_or(WatchError::PlayNotFound)?;
    plays.remove(place);
    if plays.is_empty() {
        return Ok(locked.remove_mark(tx, mark, now)?);
    }
    Ok(locked.rewrite_plays(tx, mark, &plays, now).map(drop)?)
}
