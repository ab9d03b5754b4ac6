//! Writing movies: read, merged, and written back only where nobody else has written since.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use mongodb::{
    bson::{Bson, Document, doc},
    options::FindOptions,
};
use watchme_actors::{
    domain::{Movie, MovieId},
    ports::StoreError,
};

use super::{
    MongoDocuments,
    bulk::{BATCH, replace, update},
    catalogue::KIND,
    documents::{MovieDocument, read_or_skip, write},
    errors::unavailable,
    schema::MOVIES,
    selection::numbers,
};
use crate::adapters::documents::merge::{outcome, same_facts};

/// Where others write the same movies, one of them wins each time: this many can.
const ATTEMPTS: usize = 32;

/// The movies that calls may have changed that failed half-way, so that nobody was told. The next
/// call that brings them again, and finds nothing to change, tells it for them.
pub(super) type Untold = Arc<Mutex<HashSet<MovieId>>>;

fn lock(untold: &Untold) -> std::sync::MutexGuard<'_, HashSet<MovieId>> {
    untold.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one call has changed or is about to change. Dropped before it was told, because the call
/// failed or nobody waits for it any more, it is kept for a later one.
struct Changed<'a> {
    untold: &'a Untold,
    ids: HashSet<MovieId>,
}

impl Changed<'_> {
    /// All of it, with what earlier calls owe about these movies.
    fn tell(mut self, movies: &[Movie]) -> Vec<MovieId> {
        let mut ids = mem::take(&mut self.ids);
        let mut untold = lock(self.untold);
        ids.extend(movies.iter().map(|movie| movie.id).filter(|id| untold.remove(id)));
        let mut ids: Vec<MovieId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            lock(self.untold).extend(self.ids.drain());
        }
    }
}

/// Stores movies; the ids of those whose facts changed.
pub(super) async fn upsert(
    store: &MongoDocuments,
    movies: &[Movie],
) -> Result<Vec<MovieId>, StoreError> {
    let mut changed = Changed { untold: &store.untold, ids: HashSet::new() };
    for batch in movies.chunks(BATCH) {
        let mut pending: Vec<&Movie> = batch.iter().collect();
        for _ in 0..ATTEMPTS {
            let refused = attempt(store, &pending, &mut changed.ids).await?;
            pending.retain(|movie| refused.contains(&movie.id));
            if pending.is_empty() {
                break;
            }
        }
        if !pending.is_empty() {
            return Err(unavailable("others write the same movies without end"));
        }
    }
    Ok(changed.tell(movies))
}

/// Writes what the movies come to; the ids of those that somebody else has written meanwhile.
async fn attempt(
    store: &MongoDocuments,
    movies: &[&Movie],
    changed: &mut HashSet<MovieId>,
) -> Result<Vec<MovieId>, StoreError> {
    let (before, revisions) = stored(store, movies).await?;
    let mut after = outcome(&before, movies.iter().copied());
    after.retain(|movie| before.get(&movie.id) != Some(movie));
    if after.is_empty() {
        return Ok(Vec::new());
    }
    let mut statements = Vec::with_capacity(after.len());
    for movie in &after {
        let revision = revisions.get(&movie.id).cloned().unwrap_or(Bson::Null);
        let guard = doc! { "_id": i64::from(movie.id), "rev": revision };
        statements.push(replace(guard, write(KIND, &MovieDocument::from(movie.clone()))?));
    }
    // Before it is sent: without an answer nobody knows what was written. A movie that an earlier
    // batch has changed stays changed, whoever wrote it since.
    let visible = |movie: &&Movie| before.get(&movie.id).is_none_or(|old| !same_facts(old, movie));
    let fresh: HashSet<MovieId> =
        after.iter().filter(visible).map(|it| it.id).filter(|id| changed.insert(*id)).collect();
    let refused = update(store, MOVIES, statements).await?;
    let again: Vec<MovieId> =
        refused.iter().filter_map(|it| after.get(*it)).map(|it| it.id).collect();
    changed.retain(|id| !(fresh.contains(id) && again.contains(id)));
    Ok(again)
}

/// The stored movies of the same ids, and the revision of every stored document: one that cannot
/// be read counts as absent and is overwritten.
async fn stored(
    store: &MongoDocuments,
    movies: &[&Movie],
) -> Result<(HashMap<MovieId, Movie>, HashMap<MovieId, Bson>), StoreError> {
    let these = doc! { "_id": { "$in": numbers(movies.iter().map(|movie| movie.id)) } };
    let options =
        FindOptions::builder().batch_size(u32::try_from(BATCH).unwrap_or(u32::MAX)).build();
    let rows = store.find(MOVIES, these, options).await?;
    let mut found = HashMap::with_capacity(rows.len());
    let mut revisions = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some((id, revision)) = Document::try_from(row.as_ref()).ok().and_then(revision) {
            revisions.insert(id, revision);
        }
        if let Some(stored) = read_or_skip::<MovieDocument>(KIND, row) {
            found.insert(stored.movie.id, stored.movie);
        }
    }
    Ok((found, revisions))
}

fn revision(document: Document) -> Option<(MovieId, Bson)> {
    let id = document.get("_id")?;
    let id = id.as_i64().or(id.as_i32().map(i64::from))?;
    Some((MovieId::try_from(id).ok()?, document.get("rev").cloned().unwrap_or(Bson::Null)))
}
