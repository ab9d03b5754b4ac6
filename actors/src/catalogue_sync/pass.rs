//! One pass over the most popular pages of every genre.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    handle::{CatalogueSyncPorts, CatalogueSyncSettings},
    messages::{CatalogueProgress, CatalogueState},
    retention,
};
use crate::{
    backoff::Backoff,
    domain::{GenreId, MoviePage},
    ports::{Change, MetadataError, StoreError, SyncRecord},
    published::Published,
    tmdb_client::TmdbError,
};

pub(super) const NAME: &str = "catalogue-sync";
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Requests under way at once: the pace is TmdbClientActor's, this only hides latency.
const AT_ONCE: usize = 4;
/// Times that a page may be unreadable before this pass does without it.
const UNREADABLE: u8 = 5;
/// How often a store that failed is looked at. The source is not asked meanwhile: there is nowhere
/// to put what it says.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Failures in a row after which the pass is said to be stuck.
const STUCK: u32 = 3;
/// While pages come in, lists that others remember are at most this old.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);

/// A page that is still to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    genre: GenreId,
    page: u32,
    /// How often its page could not be read.
    unreadable: u8,
}

impl Job {
    fn is_same_page(self, other: Self) -> bool {
        (self.genre, self.page) == (other.genre, other.page)
    }
}

/// What is still to be fetched. Kept by the actor, so that a pass that was cut short by a panic
/// goes on where it was.
pub(super) type Backlog = Arc<Mutex<VecDeque<Job>>>;

/// Why a pass ended before its end.
pub(super) enum Interrupted {
    HeldElsewhere,
    /// Not one page could be read.
    Unreadable,
    Store(StoreError),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Clone)]
pub(super) struct Pass {
    pub(super) ports: CatalogueSyncPorts,
    pub(super) settings: CatalogueSyncSettings,
    pub(super) backlog: Backlog,
    pub(super) progress: Arc<Published<CatalogueProgress>>,
}

impl Pass {
    /// Fetches and stores every page, however often the source fails in between.
    pub(super) async fn run(self) -> Result<(), Interrupted> {
        self.hold_lease().await?;
        let genres = self.ports.genres.first_list().await;
        {
            let mut backlog = self.lock();
            if backlog.is_empty() {
                backlog.extend(genres.iter().filter(|it| !it.retired).map(|it| Job {
                    genre: it.id,
                    page: 1,
                    unreadable: 0,
                }));
                let pages_total = count(&backlog);
                self.update(|it| CatalogueProgress {
                    pages_done: 0,
                    pages_skipped: 0,
                    pages_total,
                    ..it
                });
            }
        }
        self.update(|it| CatalogueProgress { state: CatalogueState::Syncing, ..it });
        let changed = self.work_off().await?;
        let progress = self.progress.get();
        if progress.pages_skipped == progress.pages_total {
            return Err(Interrupted::Unreadable);
        }
        let aged = retention::refresh(&self.ports).await?;
        let now = self.ports.clock.now();
        let record = SyncRecord { last_success: Some(now), changed, ..self.progress.get().record };
        self.ports.sync_log.save_sync_record(NAME, &record).await?;
        // Whoever sees that it is ready finds everything in lists.
        self.ports.index.follow_everything().await;
        self.update(|it| CatalogueProgress { state: CatalogueState::Ready, record, ..it });
        self.ports.changes.announce(Change::AllMovies).await;
        self.ports.leases.release(NAME).await;
        let pages = self.progress.get().pages_done;
        tracing::info!(pages, changed, aged, "the catalogue was synchronised");
        Ok(())
    }

    /// Whether an earlier run left pages behind.
    pub(super) fn has_backlog(&self) -> bool {
        !self.lock().is_empty()
    }

    async fn work_off(&self) -> Result<u64, Interrupted> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut failures = 0;
        let mut changed = 0;
        let mut announced = (Instant::now(), 0);
        let mut renewed = Instant::now();
        loop {
            // A job leaves the backlog when its page is stored, so that a panic in between
            // loses none.
            let jobs: Vec<Job> = self.lock().iter().take(AT_ONCE).copied().collect();
            if jobs.is_empty() {
                return Ok(changed);
            }
            if renewed.elapsed() > LEASE / 3 {
                self.hold_lease().await?;
                renewed = Instant::now();
            }
            let fetched = jobs.iter().map(|job| self.ports.tmdb.discover(job.genre, job.page));
            let mut wait = None;
            for (job, outcome) in jobs.iter().zip(join_all(fetched).await) {
                match self.take(*job, outcome).await {
                    Ok(stored) => changed += stored,
                    Err(at_least) => wait = wait.max(Some(at_least)),
                }
            }
            if changed > announced.1 && announced.0.elapsed() > ANNOUNCE_EVERY {
                self.ports.changes.announce(Change::AllMovies).await;
                announced = (Instant::now(), changed);
            }
            if let Some(at_least) = wait {
                failures += 1;
                while self.ports.catalogue.count().await.is_err() {
                    failures += 1;
                    self.say_if_stuck(failures);
                    tokio::time::sleep(LOOK_EVERY).await;
                    if renewed.elapsed() > LEASE / 3 {
                        self.hold_lease().await?;
                        renewed = Instant::now();
                    }
                }
                self.say_if_stuck(failures);
                tokio::time::sleep(at_least.max(backoff.after_failure())).await;
                continue;
            }
            failures = 0;
            backoff.reset();
            self.update(|it| CatalogueProgress { state: CatalogueState::Syncing, ..it });
        }
    }

    fn say_if_stuck(&self, failures: u32) {
        if failures >= STUCK {
            self.update(|it| CatalogueProgress { state: CatalogueState::Failed, ..it });
        }
    }

    /// Stores a page; or moves it to the end of the backlog, so that it does not hold up the
    /// others, and says how long to wait.
    async fn take(
        &self,
        job: Job,
        outcome: Result<Arc<MoviePage>, TmdbError>,
    ) -> Result<u64, Duration> {
        let changed = match outcome {
            Ok(page) => match self.store(job, &page).await {
                Ok(changed) => changed,
                Err(error) => {
                    tracing::warn!(%error, "a page of the catalogue could not be stored");
                    return Err(self.later(job, job, Duration::from_secs(1)));
                }
            },
            Err(error) => {
                let unreadable = matches!(
                    error,
                    TmdbError::Source(MetadataError::Malformed(_) | MetadataError::Refused(_))
                );
                let again = Job { unreadable: job.unreadable + u8::from(unreadable), ..job };
                if again.unreadable < UNREADABLE {
                    tracing::debug!(%error, %job.genre, job.page, "a page of the catalogue will be fetched later");
                    return Err(self.later(job, again, error.retry_after()));
                }
                tracing::warn!(%error, %job.genre, job.page, "the catalogue does without a page");
                self.update(|it| CatalogueProgress { pages_skipped: it.pages_skipped + 1, ..it });
                0
            }
        };
        self.lock().retain(|other| !other.is_same_page(job));
        self.update(|it| CatalogueProgress { pages_done: it.pages_done + 1, ..it });
        Ok(changed)
    }

    fn later(&self, job: Job, again: Job, wait: Duration) -> Duration {
        let mut backlog = self.lock();
        backlog.retain(|other| !other.is_same_page(job));
        backlog.push_back(again);
        wait
    }

    async fn store(&self, job: Job, page: &MoviePage) -> Result<u64, StoreError> {
        let changed = self.ports.catalogue.upsert(&page.movies).await?;
        self.ports.index.tell(&changed);
        let more =
            if job.page == 1 { page.total_pages.min(self.settings.pages_per_genre) } else { 0 };
        self.lock().extend((2..=more).map(|page| Job { genre: job.genre, page, unreadable: 0 }));
        self.update(|it| CatalogueProgress {
            pages_total: it.pages_total + more.saturating_sub(1),
            rejected: it.rejected + u64::from(page.rejected),
            ..it
        });
        let progress = self.progress.get();
        if progress.pages_done % 100 == 99 {
            tracing::info!(
                pages = progress.pages_done + 1,
                of = progress.pages_total,
                "the catalogue is being filled"
            );
        }
        Ok(changed.len() as u64)
    }

    async fn hold_lease(&self) -> Result<(), Interrupted> {
        let held = self.ports.leases.acquire(NAME, LEASE).await?;
        if held { Ok(()) } else { Err(Interrupted::HeldElsewhere) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Job>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(CatalogueProgress) -> CatalogueProgress) {
        self.progress.set(change(*self.progress.get()));
    }
}

fn count(backlog: &VecDeque<Job>) -> u32 {
    u32::try_from(backlog.len()).unwrap_or(u32::MAX)
}
