//! Movies, cache-aside: what is remembered, then what is stored, then what TMDb says.

mod remembered;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::{future, sync};
use tokio::runtime::Handle;

pub(crate) use self::remembered::Lifetime;
use self::remembered::Remembered;
use crate::{
    catalogue_sync::{CatalogueState, CatalogueSyncHandle},
    domain::{Movie, MovieId, MovieQuery, MovieSnapshot, Page, PageRequest},
    movie_index::MovieIndexHandle,
    ports::{Catalogue, Change, ChangeFeed, Clock, StoreError},
    tmdb_client::{CircuitState, TmdbClientHandle},
};

/// How long a reader waits for TMDb before the stored answer has to do.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where there is one.
const PATIENCE_WITH_STORED: Duration = Duration::from_secs(1);
/// Stored details of this age are as good as TMDb's own.
const DETAILS_FRESH: Duration = Duration::from_secs(24 * 3_600);
/// Movies, snapshots of them, and searches that are remembered.
const REMEMBERED: usize = 10_000;
/// An outcome is forgotten as soon as those who waited have it; at the latest after this, where
/// they all went away.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// A movie, and whether TMDb should have been asked but could not be.
#[derive(Debug, Clone)]
pub struct Found {
    /// The movie.
    pub movie: Arc<Movie>,
    /// It is what was stored before TMDb failed.
    pub stale: bool,
    /// Another one for everything that was ever read: what was made of a movie of this reading is
    /// of this one.
    pub reading: u64,
}

/// A movie could not be given.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MovieError {
    /// Neither the store nor TMDb has it.
    #[error("there is no such movie")]
    NotFound,
    /// It is not stored, and TMDb cannot be asked.
    #[error("the movie is not stored and its source cannot be asked")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds movies. Cheap to clone.
#[derive(Clone)]
pub struct Movies {
    catalogue: Arc<dyn Catalogue>,
    tmdb: TmdbClientHandle,
    sync: CatalogueSyncHandle,
    index: MovieIndexHandle,
    changes: Arc<dyn ChangeFeed>,
    clock: Arc<dyn Clock>,
    /// `None`: TMDb has said that there is no such movie.
    details: Arc<Remembered<Option<Found>>>,
    snapshots: Arc<Remembered<MovieSnapshot>>,
    searched: sync::Cache<String, ()>,
    /// Counts what was forgotten: what was read before is not remembered after.
    epoch: Arc<AtomicU64>,
    /// Details that are being read, each once for everybody who waits, by what was forgotten before.
    under_way: future::Cache<(MovieId, u64), Result<Found, MovieError>>,
    /// The same of snapshots.
    snapshots_under_way: future::Cache<(MovieId, u64), Result<MovieSnapshot, MovieError>>,
    /// Where snapshots are read: marks wait for them, and on a thread of requests each step would
    /// wait until all that have come were looked at.
    runtime: Handle,
    readings: Arc<AtomicU64>,
}

impl Movies {
    pub(crate) fn new(
        catalogue: Arc<dyn Catalogue>,
        tmdb: TmdbClientHandle,
        sync: CatalogueSyncHandle,
        index: MovieIndexHandle,
        changes: Arc<dyn ChangeFeed>,
        clock: Arc<dyn Clock>,
        lifetime: Lifetime,
    ) -> Self {
        let searched = sync::Cache::builder().max_capacity(REMEMBERED as u64);
        Self {
            catalogue,
            tmdb,
            sync,
            index,
            changes,
            clock,
            searched: searched.time_to_live(lifetime.ttl).build(),
            details: Remembered::new(REMEMBERED, lifetime.clone()),
            snapshots: Remembered::new(REMEMBERED, lifetime),
            epoch: Arc::default(),
            under_way: under_way(),
            snapshots_under_way: under_way(),
            runtime: Handle::current(),
            readings: Arc::default(),
        }
    }

    /// A movie with its details.
    ///
    /// # Errors
    /// [`MovieError`].
    pub async fn details(&self, id: MovieId) -> Result<Found, MovieError> {
        if let Some(found) = self.details.get(id) {
            return found.ok_or(MovieError::NotFound);
        }
        // Apart, since every request would carry its place about.
        Box::pin(self.read_once(id)).await
    }

    async fn read_once(&self, id: MovieId) -> Result<Found, MovieError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let found = self.under_way.get_with((id, epoch), self.read(id, epoch)).await;
        self.under_way.invalidate(&(id, epoch)).await;
        found
    }

    async fn read(&self, id: MovieId, epoch: u64) -> Result<Found, MovieError> {
        let stored = match self.stored(id).await {
            Ok(stored) => stored,
            Err(away) => return self.fetched_past_the_store(id, away).await,
        };
        if let Some(movie) = stored.as_ref().filter(|movie| self.is_fresh(movie)) {
            let found = self.found(movie.clone().into());
            self.details.insert(id, Some(found.clone()));
            if self.epoch.load(Ordering::Acquire) != epoch {
                self.details.forget(id);
            }
            return Ok(found);
        }
        match (self.fetch(id, stored.as_ref()).await, stored) {
            (Err(MovieError::Unavailable { .. }), Some(movie)) => {
                Ok(Found { stale: true, ..self.found(movie.into()) })
            }
            (fetched, _) => fetched,
        }
    }

    /// What a mark keeps of a movie: whatever is stored, however old, else what TMDb says.
    ///
    /// # Errors
    /// [`MovieError`].
    pub async fn snapshot(&self, id: MovieId) -> Result<MovieSnapshot, MovieError> {
        if let Some(snapshot) = self.snapshots.get(id) {
            return Ok(snapshot);
        }
        if let Some(found) = self.details.get(id) {
            return Ok(snapshot_of(&found.ok_or(MovieError::NotFound)?.movie));
        }
        Box::pin(self.read_snapshot_once(id)).await
    }

    async fn read_snapshot_once(&self, id: MovieId) -> Result<MovieSnapshot, MovieError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let reading = async {
            let movies = self.clone();
            let reading = self.runtime.spawn(async move { movies.read_snapshot(id, epoch).await });
            reading.await.unwrap_or_else(|error| {
                Err(StoreError::Unavailable { store: "documents", reason: error.to_string() }
                    .into())
            })
        };
        let snapshot = self.snapshots_under_way.get_with((id, epoch), reading).await;
        self.snapshots_under_way.invalidate(&(id, epoch)).await;
        snapshot
    }

    async fn read_snapshot(&self, id: MovieId, epoch: u64) -> Result<MovieSnapshot, MovieError> {
        match self.stored(id).await {
            Ok(Some(movie)) => {
                let snapshot = snapshot_of(&movie);
                self.snapshots.insert(id, snapshot.clone());
                if self.epoch.load(Ordering::Acquire) != epoch {
                    self.snapshots.forget(id);
                }
                Ok(snapshot)
            }
            Ok(None) => Ok(snapshot_of(&self.fetch(id, None).await?.movie)),
            Err(away) => Ok(snapshot_of(&self.fetched_past_the_store(id, away).await?.movie)),
        }
    }

    /// A page of the stored catalogue: from the index, else, before there is one, from the store.
    /// A film that has gone since the index was published is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        query: &MovieQuery,
        page: PageRequest,
    ) -> Result<Page<Movie>, StoreError> {
        let Some(listing) = self.index.list(query, page).await else {
            return self.catalogue.movies(query, page).await;
        };
        let items = self.catalogue.by_ids(&listing.ids).await?;
        Ok(Page { items, total_items: listing.total_items, request: page })
    }

    /// Stores TMDb's first page for a text, unless that was done lately. False when TMDb could
    /// not be asked: the store answers with what it has.
    pub async fn prepare_search(&self, text: &str) -> bool {
        let text = text.trim().to_lowercase();
        if self.searched.contains_key(&text) {
            return true;
        }
        let outcome = tokio::time::timeout(PATIENCE, self.tmdb.search(&text, 1)).await;
        let Ok(Ok(page)) = outcome else { return false };
        match self.catalogue.upsert(&page.movies).await {
            Ok(changed) => {
                // The answer to this search is made of it.
                self.index.follow_movies(&changed).await;
                for id in changed {
                    self.changes.announce(Change::Movie(id)).await;
                }
                self.searched.insert(text, ());
                true
            }
            Err(error) => {
                tracing::warn!(%error, "found movies could not be stored");
                false
            }
        }
    }

    /// Whether lists may be older than they should be: TMDb is being left alone, or the
    /// catalogue's synchronisation is stuck.
    #[must_use]
    pub fn stale(&self) -> bool {
        self.tmdb.status().circuit != CircuitState::Closed
            || self.sync.progress().state == CatalogueState::Failed
    }

    /// Forgets a movie, or everything that is remembered, here and on every other replica. One
    /// movie is fetched again at once; where TMDb does not answer, what is stored stays.
    pub async fn forget(&self, id: Option<MovieId>) {
        let change = id.map_or(Change::AllMovies, Change::Movie);
        self.heard(change);
        if let Some(id) = id
            && let Err(error) = self.fetch(id, None).await
        {
            tracing::info!(%error, %id, "a movie was forgotten but could not be fetched again");
        }
        self.changes.announce(change).await;
    }

    /// Something has changed somewhere.
    pub(crate) fn heard(&self, change: Change) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        match change {
            Change::Movie(id) => {
                self.details.forget(id);
                self.snapshots.forget(id);
            }
            Change::AllMovies => {
                self.details.forget_all();
                self.snapshots.forget_all();
                self.searched.invalidate_all();
            }
            _ => {}
        }
    }

    fn found(&self, movie: Arc<Movie>) -> Found {
        Found { movie, stale: false, reading: self.readings.fetch_add(1, Ordering::Relaxed) }
    }

    /// What is stored. A document that cannot be read counts as none: the source has it.
    async fn stored(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        match self.catalogue.movie(id).await {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "the movie is fetched again");
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// What the source says while the store cannot be asked; where that does not help either, the
    /// store is to blame.
    async fn fetched_past_the_store(
        &self,
        id: MovieId,
        away: StoreError,
    ) -> Result<Found, MovieError> {
        self.fetch(id, None).await.map_err(|_| away.into())
    }

    fn is_fresh(&self, movie: &Movie) -> bool {
        let now = self.clock.now();
        movie.details.as_ref().is_some_and(|it| now.since(it.fetched_at) < DETAILS_FRESH)
    }

    async fn source_knows_its_genres(&self) -> bool {
        let asked = tokio::time::timeout(PATIENCE_WITH_STORED, self.tmdb.genres()).await;
        matches!(asked, Ok(Ok(_)))
    }

    /// Fetches a movie from TMDb and stores it. Everybody is told where lists show something else
    /// than for `stored`.
    async fn fetch(&self, id: MovieId, stored: Option<&Movie>) -> Result<Found, MovieError> {
        let patience = if stored.is_some() { PATIENCE_WITH_STORED } else { PATIENCE };
        let outcome = tokio::time::timeout(patience, self.tmdb.movie(id)).await;
        let movie = match outcome {
            Ok(Ok(Some(movie))) => movie,
            Ok(Ok(None)) => {
                // A source that has lost everything, because its address is wrong for instance,
                // is no reason to forget what is stored.
                if self.stored(id).await?.is_some() && self.source_knows_its_genres().await {
                    self.catalogue.remove(&[id]).await?;
                    self.index.follow_movies(&[id]).await;
                    self.changes.announce(Change::Movie(id)).await;
                }
                self.snapshots.forget(id);
                self.details.insert(id, None);
                return Err(MovieError::NotFound);
            }
            Ok(Err(error)) => {
                return Err(MovieError::Unavailable { retry_after: error.retry_after() });
            }
            Err(_elapsed) => return Err(MovieError::Unavailable { retry_after: PATIENCE }),
        };
        match self.catalogue.upsert(&[(*movie).clone()]).await {
            Ok(changed) => {
                if !changed.is_empty() && !stored.is_some_and(|stored| stored.lists_like(&movie)) {
                    self.index.follow_movies(&changed).await;
                    self.changes.announce(Change::Movie(id)).await;
                }
            }
            // It will be fetched again; who asked need not wait for that.
            Err(error) => tracing::warn!(%error, %id, "a fetched movie could not be stored"),
        }
        let found = self.found(movie);
        self.snapshots.forget(id);
        self.details.insert(id, Some(found.clone()));
        Ok(found)
    }
}

/// Remembers what is being read.
fn under_way<V: Clone + Send + Sync + 'static>() -> future::Cache<(MovieId, u64), V> {
    future::Cache::builder().max_capacity(REMEMBERED as u64).time_to_live(UNDER_WAY).build()
}

fn snapshot_of(movie: &Movie) -> MovieSnapshot {
    MovieSnapshot { id: movie.id, title: movie.title.clone(), genres: movie.genres.clone() }
}
