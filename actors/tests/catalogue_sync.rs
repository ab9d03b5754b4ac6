//! CatalogueSyncActor over driven time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Arbiter;
use tokio::time::{pause, sleep, timeout};
use watchme_actors::{
    catalogue_sync::{
        CatalogueProgress, CatalogueState, CatalogueSyncHandle, CatalogueSyncPorts,
        CatalogueSyncSettings,
    },
    changes::Alone,
    domain::{GenreId, Movie, MovieId, MoviePage, RemoteGenre, Timestamp},
    genre_sync::{GenreSyncHandle, GenreSyncPorts, GenreSyncSettings},
    movie_index::{MovieIndexHandle, MovieIndexPorts},
    ports::{Catalogue, Change, Clock, MetadataError, ProcessLeases},
    supervision::InjectPanic,
    testing::fakes::{
        DrivenClock, MemoryDocuments, MemoryLease, MetadataCall, RecordingChanges, ScriptedMetadata,
    },
    tmdb_client::TmdbClientHandle,
};

const DAY: Duration = Duration::from_secs(86_400);
const GENRES: [i64; 3] = [18, 35, 37];
/// Pages that the source has per genre.
const PAGES: u32 = 6;

fn movie(id: u32, genre: GenreId, fetched_at: Timestamp) -> Movie {
    Movie {
        id: MovieId::try_from(i64::from(id)).unwrap(),
        title: format!("movie {id}"),
        original_title: format!("movie {id}"),
        original_language: "en".into(),
        overview: String::new(),
        release_date: None,
        genres: [genre].into_iter().collect(),
        popularity: f64::from(id),
        vote_average: 5.0,
        vote_count: 1,
        poster_path: None,
        backdrop_path: None,
        details: None,
        fetched_at,
    }
}

fn page(genre: GenreId, page: u32, now: Timestamp) -> MoviePage {
    let first = genre.get() * 10_000 + page * 100;
    let movies = (first..first + 20).map(|id| movie(id, genre, now)).collect();
    MoviePage { movies, total_pages: PAGES, rejected: 1 }
}

struct Setup {
    source: ScriptedMetadata,
    documents: MemoryDocuments,
    changes: RecordingChanges,
    lease: MemoryLease,
    clock: DrivenClock,
}

fn setup() -> Setup {
    pause();
    let clock = DrivenClock::default();
    let source = ScriptedMetadata::new();
    source.on_genres(|| {
        let genre = |id| RemoteGenre { id: GenreId::try_from(id).unwrap(), name: format!("{id}") };
        Ok(GENRES.map(genre).to_vec())
    });
    source.on_discover(move |genre, number| Ok(page(genre, number, clock.now())));
    Setup {
        source,
        documents: MemoryDocuments::new(),
        changes: RecordingChanges::new(),
        lease: MemoryLease::new(),
        clock,
    }
}

impl Setup {
    fn start(&self, pages_per_genre: u32) -> CatalogueSyncHandle {
        let arbiter = Arbiter::current();
        let tmdb = TmdbClientHandle::start(&arbiter, Arc::new(self.source.clone()), None);
        let leases = ProcessLeases::new(Arc::new(self.lease.clone()));
        let genres = GenreSyncHandle::start(
            &arbiter,
            GenreSyncPorts {
                tmdb: tmdb.clone(),
                store: Arc::new(self.documents.clone()),
                sync_log: Arc::new(self.documents.clone()),
                leases: leases.clone(),
                changes: Arc::new(self.changes.clone()),
                clock: Arc::new(self.clock),
            },
            GenreSyncSettings { interval: DAY },
        );
        let ports = CatalogueSyncPorts {
            tmdb,
            genres,
            index: MovieIndexHandle::start(
                &arbiter,
                MovieIndexPorts {
                    catalogue: Arc::new(self.documents.clone()),
                    alone: Alone::never(),
                },
            ),
            catalogue: Arc::new(self.documents.clone()),
            sync_log: Arc::new(self.documents.clone()),
            leases,
            changes: Arc::new(self.changes.clone()),
            clock: Arc::new(self.clock),
        };
        CatalogueSyncHandle::start(&arbiter, ports, CatalogueSyncSettings { pages_per_genre })
    }

    fn pages_asked(&self) -> Vec<(GenreId, u32)> {
        let page = |call| match call {
            MetadataCall::Discover(genre, page) => Some((genre, page)),
            _ => None,
        };
        self.source.calls().into_iter().filter_map(|it| page(it.call)).collect()
    }
}

async fn ready(sync: &CatalogueSyncHandle) -> CatalogueProgress {
    let ready = sync.wait_for(|progress| progress.state == CatalogueState::Ready);
    timeout(DAY / 2, ready).await.expect("the catalogue becomes ready")
}

#[actix::test]
async fn what_has_come_is_told_of_while_the_source_fails() {
    let setup = setup();
    setup.source.set_delay(Duration::from_millis(100));
    let sync = setup.start(500);
    sync.wait_for(|progress| progress.pages_done > 3).await;
    assert_eq!(setup.changes.announced(), [Change::Genres], "too soon");
    setup.source.on_discover(|_, _| Err(MetadataError::Unavailable("down".to_owned())));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(setup.changes.announced(), [Change::Genres, Change::AllMovies]);
}

#[actix::test]
async fn every_page_of_every_genre_is_stored_once_and_again_a_day_later() {
    let setup = setup();
    let sync = setup.start(500);
    let progress = ready(&sync).await;
    assert_eq!((progress.pages_done, progress.pages_total), (18, 18));
    assert_eq!(progress.rejected, 18);
    assert_eq!(setup.documents.count().await.unwrap(), 18 * 20);
    let asked = setup.pages_asked();
    assert_eq!(asked.len(), 18);
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), 18);
    assert!(setup.changes.announced().contains(&Change::AllMovies));
    sleep(DAY - Duration::from_secs(10)).await;
    assert_eq!(setup.pages_asked().len(), 18);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(setup.pages_asked().len(), 36);
}

#[actix::test]
async fn no_more_pages_than_the_setting_are_fetched() {
    let setup = setup();
    let progress = ready(&setup.start(2)).await;
    assert_eq!((progress.pages_done, progress.pages_total), (6, 6));
}

#[actix::test]
async fn a_second_start_within_the_day_fetches_nothing() {
    let setup = setup();
    ready(&setup.start(500)).await;
    let again = setup.start(500);
    ready(&again).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(setup.pages_asked().len(), 18);
}

#[actix::test]
async fn what_an_outage_left_behind_is_fetched_afterwards() {
    let setup = setup();
    let clock = setup.clock;
    let down = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&down);
    setup.source.set_delay(Duration::from_millis(100));
    setup.source.on_discover(move |genre, number| {
        if switch.load(Ordering::Relaxed) {
            return Err(MetadataError::RateLimited { retry_after: None });
        }
        Ok(page(genre, number, clock.now()))
    });
    let sync = setup.start(500);
    sync.wait_for(|progress| progress.pages_done >= 5).await;
    down.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    let during = sync.progress();
    assert_eq!(during.state, CatalogueState::Failed);
    assert!(during.pages_done < 18);
    assert_eq!(setup.documents.count().await.unwrap(), u64::from(during.pages_done) * 20);
    down.store(false, Ordering::Relaxed);
    let after = ready(&sync).await;
    assert_eq!((after.pages_done, after.pages_total), (18, 18));
    assert_eq!(setup.documents.count().await.unwrap(), 18 * 20);
}

async fn goes_on_after(panic: InjectPanic) {
    let setup = setup();
    setup.source.set_delay(Duration::from_secs(1));
    let sync = setup.start(500);
    sync.wait_for(|progress| progress.pages_done >= 7).await;
    assert!(sync.inject(panic).await.is_err());
    ready(&sync).await;
    assert_eq!(setup.documents.count().await.unwrap(), 18 * 20);
    let asked = setup.pages_asked().len();
    assert!(asked < 18 + 8, "not from the beginning: {asked} pages");
    let health = sync.health();
    assert_eq!(health.restarts + health.rebuilds, 1);
}

#[actix::test]
async fn after_a_restart_the_pass_goes_on_where_it_was() {
    goes_on_after(InjectPanic::InFuture).await;
}

#[actix::test]
async fn after_a_death_the_pass_goes_on_where_it_was() {
    goes_on_after(InjectPanic::InHandler).await;
}

async fn goes_on_without(error: MetadataError) {
    let setup = setup();
    let clock = setup.clock;
    setup.source.on_discover(move |genre, number| match number {
        3 => Err(error.clone()),
        _ => Ok(page(genre, number, clock.now())),
    });
    let progress = ready(&setup.start(500)).await;
    assert_eq!((progress.pages_done, progress.pages_skipped, progress.pages_total), (18, 3, 18));
    assert_eq!(setup.documents.count().await.unwrap(), 15 * 20);
}

#[actix::test]
async fn a_page_that_is_refused_holds_up_neither_the_others_nor_the_end() {
    goes_on_without(MetadataError::Refused("code 22".into())).await;
}

#[actix::test]
async fn a_page_that_can_never_be_read_holds_up_neither_the_others_nor_the_end() {
    goes_on_without(MetadataError::Malformed("HTML".into())).await;
}

#[actix::test]
async fn a_pass_without_one_readable_page_is_no_success() {
    let setup = setup();
    setup.source.on_discover(|_, _| Err(MetadataError::Malformed("HTML".into())));
    let sync = setup.start(500);
    sleep(Duration::from_secs(3_600)).await;
    let progress = sync.progress();
    assert_eq!((progress.state, progress.record.last_success), (CatalogueState::Failed, None));
    let clock = setup.clock;
    setup.source.on_discover(move |genre, number| Ok(page(genre, number, clock.now())));
    ready(&sync).await;
}

#[actix::test]
async fn what_may_not_be_kept_goes_whether_or_not_anything_is_fetched() {
    let setup = setup();
    setup.lease.seize("catalogue-sync");
    let genre = GenreId::try_from(99).unwrap();
    let old = movie(1, genre, setup.clock.now().before(DAY * 170));
    setup.documents.upsert(&[old]).await.unwrap();
    let _sync = setup.start(500);
    sleep(DAY * 7).await;
    assert_eq!(setup.documents.count().await.unwrap(), 1);
    sleep(DAY * 4).await;
    assert_eq!(setup.documents.count().await.unwrap(), 0);
}

#[actix::test]
async fn a_store_that_fails_for_a_while_loses_no_page() {
    let setup = setup();
    setup.source.set_delay(Duration::from_millis(100));
    let sync = setup.start(500);
    sync.wait_for(|progress| progress.pages_done >= 5).await;
    setup.documents.set_failing(true);
    sleep(Duration::from_secs(30)).await;
    setup.documents.set_failing(false);
    ready(&sync).await;
    assert_eq!(setup.documents.count().await.unwrap(), 18 * 20);
}

#[actix::test]
async fn a_store_that_comes_back_after_long_is_filled_at_once() {
    let setup = setup();
    setup.documents.set_failing(true);
    let sync = setup.start(500);
    sleep(Duration::from_secs(1_800)).await;
    setup.documents.set_failing(false);
    let first = sync.wait_for(|progress| progress.pages_done > 0);
    timeout(Duration::from_secs(4), first).await.expect("pages come in");
    ready(&sync).await;
}

#[actix::test]
async fn a_store_that_goes_for_long_in_between_is_filled_as_soon_as_it_is_back() {
    let setup = setup();
    setup.source.set_delay(Duration::from_millis(100));
    let sync = setup.start(500);
    sync.wait_for(|progress| progress.pages_done >= 5).await;
    setup.documents.set_failing(true);
    sleep(Duration::from_secs(10)).await;
    let (during, asked) = (sync.progress(), setup.pages_asked().len());
    sleep(Duration::from_secs(1_800)).await;
    assert_eq!(setup.pages_asked().len(), asked, "there is nowhere to put a page");
    assert_eq!(sync.progress().state, CatalogueState::Failed);
    setup.documents.set_failing(false);
    let next = sync.wait_for(|progress| progress.pages_done > during.pages_done);
    timeout(Duration::from_secs(3), next).await.expect("pages come in");
    ready(&sync).await;
}

#[actix::test]
async fn old_movies_are_fetched_again_or_go() {
    let setup = setup();
    let now = setup.clock.now();
    let genre = GenreId::try_from(99).unwrap();
    let aged = |id, days: u32| movie(id, genre, now.before(DAY * days));
    // Fresh; old; old and gone at the source; old and unanswered; too old to keep and unanswered.
    let old = [aged(1, 10), aged(2, 160), aged(3, 160), aged(4, 160), aged(5, 180)];
    setup.documents.upsert(&old).await.unwrap();
    setup.source.on_movie(move |id| match id.get() {
        2 => Ok(Some(movie(2, genre, now))),
        3 => Ok(None),
        _ => Err(MetadataError::Unavailable("down".into())),
    });
    ready(&setup.start(1)).await;
    let mut left = Vec::new();
    for id in 1..=5 {
        if setup.documents.movie(MovieId::try_from(id).unwrap()).await.unwrap().is_some() {
            left.push(id);
        }
    }
    assert_eq!(left, [1, 2, 4]);
    let again = setup.documents.movie(MovieId::try_from(2).unwrap()).await.unwrap().unwrap();
    assert_eq!(again.fetched_at, now);
}
