//! What the MovieIndexActor has done elsewhere: reading from the store, and everything that takes a
//! thread for longer than a moment.

use std::{
    future::pending,
    panic::resume_unwind,
    time::{Duration, Instant},
};

use super::{films::Films, index::MovieIndex};
use crate::{
    domain::{MovieId, MovieRow},
    ports::{Catalogue, StoreError},
};

/// Rows that are read at once: little enough not to hold up others on the thread.
const BATCH: u32 = 500;

/// Differences up to which single films are put right, however few films there are; beyond half of
/// the films making all of it anew is cheaper.
const FEW: u64 = 1_000;

/// What differs in the store: a film as it is now, `None` where it is gone.
pub(super) type Differences = Vec<(MovieId, Option<MovieRow>)>;

/// Runs work on a thread of its own, and says how long it took. A panic goes on here.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (T, Duration) {
    let timed = move || {
        let begun = Instant::now();
        (work(), begun.elapsed())
    };
    match tokio::task::spawn_blocking(timed).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is ending.
        Err(_) => pending().await,
    }
}

/// Reads every film.
pub(super) async fn load(catalogue: &dyn Catalogue) -> Result<Films, StoreError> {
    let mut films = Films::default();
    let mut last = None;
    loop {
        let rows = catalogue.rows_after(last, BATCH).await?;
        last = rows.last().map(|row| row.id);
        if last.is_none() {
            return Ok(films);
        }
        rows.iter().for_each(|row| films.push(row));
        tokio::task::yield_now().await;
    }
}

/// Reads every film, and keeps what differs; `None` where most of them do.
pub(super) async fn compare(
    catalogue: &dyn Catalogue,
    index: &MovieIndex,
) -> Result<Option<Differences>, StoreError> {
    let most = FEW.max(index.films() / 2);
    let mut differences = Vec::new();
    let mut after = None;
    loop {
        let rows = catalogue.rows_after(after, BATCH).await?;
        let last = rows.last().map(|row| row.id);
        differences.extend(index.differences(after, last, rows));
        if differences.len() as u64 > most {
            return Ok(None);
        }
        if last.is_none() {
            return Ok(Some(differences));
        }
        after = last;
        tokio::task::yield_now().await;
    }
}

/// Reads some films: each as it is now, `None` where it is gone.
pub(super) async fn read(
    catalogue: &dyn Catalogue,
    ids: Vec<MovieId>,
) -> Result<Differences, StoreError> {
    let mut read = Vec::with_capacity(ids.len());
    for ids in ids.chunks(BATCH as usize) {
        let mut rows = catalogue.rows_of(ids).await?.into_iter().peekable();
        read.extend(ids.iter().map(|id| (*id, rows.next_if(|row| row.id == *id))));
    }
    Ok(read)
}
