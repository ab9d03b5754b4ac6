//! TMDb's terms: nothing is kept longer than six months without being fetched again.

use std::time::Duration;

use super::handle::CatalogueSyncPorts;
use crate::{
    domain::MovieId,
    ports::{Change, StoreError},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// From this age a movie that no list has brought is fetched again by itself.
const REFRESH_AFTER: Duration = Duration::from_secs(150 * 24 * 3_600);
/// At this age it is deleted, whatever the source says. A day short of TMDb's 180.
const DELETE_AFTER: Duration = Duration::from_secs(180 * 24 * 3_600).saturating_sub(DAY);
const BATCH: u32 = 200;
/// Movies that one pass fetches again: the rest has a month left for it.
const PER_PASS: usize = 2_000;

/// Fetches old movies again and forgets those that the source has dropped. Returns how many were
/// dealt with.
pub(super) async fn refresh(ports: &CatalogueSyncPorts) -> Result<usize, StoreError> {
    let mut dealt_with = 0;
    while dealt_with < PER_PASS {
        let before = ports.clock.now().before(REFRESH_AFTER);
        let old = ports.catalogue.fetched_before(before, BATCH).await?;
        let mut progress = 0;
        for id in old {
            match ports.tmdb.movie(id).await {
                Ok(Some(movie)) => {
                    let changed = ports.catalogue.upsert(&[(*movie).clone()]).await?;
                    ports.index.tell(&changed);
                }
                Ok(None) => {
                    ports.catalogue.remove(&[id]).await?;
                    ports.index.tell(&[id]);
                }
                Err(error) => {
                    tracing::debug!(%error, %id, "an old movie could not be fetched again");
                    continue;
                }
            }
            progress += 1;
        }
        dealt_with += progress;
        if progress == 0 {
            break;
        }
    }
    Ok(dealt_with)
}

/// Deletes what may not be kept any longer, and tells everybody; how much that was.
pub(super) async fn delete_expired(ports: &CatalogueSyncPorts) -> Result<usize, StoreError> {
    let mut deleted = 0;
    let outcome = delete(ports, &mut deleted).await;
    if deleted > 0 {
        ports.changes.announce(Change::AllMovies).await;
    }
    outcome.map(|()| deleted)
}

async fn delete(ports: &CatalogueSyncPorts, deleted: &mut usize) -> Result<(), StoreError> {
    loop {
        let before = ports.clock.now().before(DELETE_AFTER);
        let expired: Vec<MovieId> = ports.catalogue.fetched_before(before, BATCH).await?;
        if expired.is_empty() {
            return Ok(());
        }
        ports.catalogue.remove(&expired).await?;
        ports.index.tell(&expired);
        *deleted += expired.len();
    }
}
