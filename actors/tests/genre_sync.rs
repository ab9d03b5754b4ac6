//! GenreSyncActor over driven time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use tokio::time::{Instant, pause, sleep};
use watchme_actors::{
    domain::{GenreId, GenreList, RemoteGenre},
    genre_sync::{GenreSyncError, GenreSyncHandle, GenreSyncPorts, GenreSyncSettings},
    ports::{Change, Clock, GenreStore, MetadataError, ProcessLeases, SyncLog, SyncRecord},
    testing::fakes::{
        DrivenClock, MemoryDocuments, MemoryLease, RecordingChanges, ScriptedMetadata,
    },
    tmdb_client::TmdbClientHandle,
};

const TWO_HOURS: Duration = Duration::from_secs(2 * 3_600);

struct Setup {
    source: ScriptedMetadata,
    documents: MemoryDocuments,
    lease: MemoryLease,
    changes: RecordingChanges,
    clock: DrivenClock,
}

fn genres(names: &[(i64, &str)]) -> Vec<RemoteGenre> {
    names
        .iter()
        .map(|(id, name)| RemoteGenre { id: GenreId::try_from(*id).unwrap(), name: (*name).into() })
        .collect()
}

fn setup() -> Setup {
    pause();
    let source = ScriptedMetadata::new();
    source.on_genres(|| Ok(genres(&[(18, "Drama"), (35, "Comedy")])));
    Setup {
        source,
        documents: MemoryDocuments::new(),
        lease: MemoryLease::new(),
        changes: RecordingChanges::new(),
        clock: DrivenClock::default(),
    }
}

impl Setup {
    fn start(&self) -> GenreSyncHandle {
        let arbiter = Arbiter::current();
        let ports = GenreSyncPorts {
            tmdb: TmdbClientHandle::start(&arbiter, Arc::new(self.source.clone()), None),
            store: Arc::new(self.documents.clone()),
            sync_log: Arc::new(self.documents.clone()),
            leases: ProcessLeases::new(Arc::new(self.lease.clone())),
            changes: Arc::new(self.changes.clone()),
            clock: Arc::new(self.clock),
        };
        GenreSyncHandle::start(&arbiter, ports, GenreSyncSettings { interval: TWO_HOURS })
    }

    fn calls(&self) -> Vec<Instant> {
        self.source.calls().into_iter().map(|call| call.at).collect()
    }
}

fn names(sync: &GenreSyncHandle) -> Vec<(String, bool)> {
    sync.list().iter().map(|genre| (genre.name.clone(), genre.retired)).collect()
}

#[actix::test]
async fn the_first_list_is_fetched_at_once_and_the_next_two_hours_after_the_end_of_that() {
    let setup = setup();
    setup.source.set_delay(Duration::from_secs(1));
    let sync = setup.start();
    let list = sync.wait_for_list().await.unwrap();
    assert_eq!(list.iter().len(), 2);
    let first_end = Instant::now();
    sleep(TWO_HOURS - Duration::from_secs(1)).await;
    assert_eq!(setup.calls().len(), 1, "not before its time");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(setup.calls().len(), 2);
    let gap = setup.calls()[1] - first_end;
    assert!(gap >= TWO_HOURS && gap < TWO_HOURS + Duration::from_secs(1), "{gap:?}");
    sleep(TWO_HOURS * 3).await;
    assert_eq!(setup.calls().len(), 5, "one tick per completion, no burst");
}

#[actix::test]
async fn only_what_differs_is_written_and_announced() {
    let setup = setup();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    let first: Vec<_> = sync.list().iter().cloned().collect();
    assert_eq!(sync.sync_now().await.unwrap().record.changed, 0);
    assert_eq!(sync.list().iter().cloned().collect::<Vec<_>>(), first, "updatedAt stays too");
    assert_eq!(setup.changes.announced(), [Change::Genres], "only the first time");

    sleep(Duration::from_secs(60)).await;
    setup.source.on_genres(|| Ok(genres(&[(18, "Drame"), (37, "Western")])));
    assert_eq!(sync.sync_now().await.unwrap().record.changed, 3);
    let expected = [("Drame", false), ("Comedy", true), ("Western", false)];
    assert_eq!(names(&sync), expected.map(|(name, retired)| (name.to_owned(), retired)));
    assert_eq!(setup.changes.announced().len(), 2);

    setup.source.on_genres(|| Ok(genres(&[(18, "Drame"), (35, "Comedy"), (37, "Western")])));
    assert_eq!(sync.sync_now().await.unwrap().record.changed, 1, "a genre that came back");
}

#[actix::test]
async fn a_failed_sync_keeps_the_old_list_and_is_tried_again_before_the_next_tick() {
    let setup = setup();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    setup.source.on_genres(|| Err(MetadataError::Unauthorized));
    sleep(TWO_HOURS + Duration::from_secs(60)).await;
    let tried = setup.calls().len();
    assert!(tried >= 3, "once at the tick, then after a back-off: {tried}");
    assert_eq!(sync.list().iter().len(), 2);
    let status = sync.status();
    assert!(status.last_error.is_some() && status.failures >= 2, "{status:?}");
    assert!(status.record.last_failure > status.record.last_success);

    setup.source.on_genres(|| Ok(genres(&[(18, "Drama"), (35, "Humour")])));
    sleep(TWO_HOURS / 2).await;
    assert_eq!(names(&sync)[1].0, "Humour");
    assert_eq!(sync.status().last_error, None);
}

#[actix::test]
async fn a_restart_waits_for_what_is_left_of_the_two_hours() {
    let setup = setup();
    let first = setup.start();
    first.wait_for_list().await.unwrap();
    sleep(Duration::from_secs(30 * 60)).await;

    let record = setup.documents.sync_record("genre-sync").await.unwrap();
    assert!(record.last_success.is_some_and(|at| setup.clock.now().since(at) >= TWO_HOURS / 4));
    let second = setup.start();
    assert_eq!(second.wait_for_list().await.unwrap().iter().len(), 2, "what is stored, at once");
    sleep(Duration::from_secs(60 * 60)).await;
    assert_eq!(setup.calls().len(), 1);
    sleep(Duration::from_secs(31 * 60)).await;
    assert!(setup.calls().len() > 1);
}

#[actix::test]
async fn a_service_that_was_off_for_long_syncs_at_once() {
    let setup = setup();
    let long_ago = setup.clock.now().before(TWO_HOURS * 50);
    let record = SyncRecord { last_success: Some(long_ago), ..SyncRecord::default() };
    setup.documents.save_sync_record("genre-sync", &record).await.unwrap();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    assert_eq!(setup.calls().len(), 1);
}

#[actix::test]
async fn only_the_holder_of_the_lease_asks() {
    let setup = setup();
    setup.lease.seize("genre-sync");
    let sync = setup.start();
    assert!(matches!(sync.sync_now().await, Err(GenreSyncError::HeldElsewhere)));
    sleep(TWO_HOURS).await;
    assert!(setup.calls().is_empty());
    setup.lease.give_back("genre-sync");
    sleep(Duration::from_secs(180)).await;
    assert_eq!(setup.calls().len(), 1);
}

#[actix::test]
async fn who_needs_genres_waits_five_seconds_for_a_first_list() {
    let setup = setup();
    setup.source.on_genres(|| Err(MetadataError::Unavailable("down".into())));
    let sync = setup.start();
    let began = Instant::now();
    assert!(matches!(sync.wait_for_list().await, Err(GenreSyncError::NotReady)));
    assert_eq!(began.elapsed().as_secs(), 5);
    setup.source.on_genres(|| Ok(genres(&[(18, "Drama")])));
    sleep(Duration::from_secs(120)).await;
    assert!(sync.wait_for_list().await.is_ok());
}

/// Reads a list that was stored before the service and its store were started again.
#[actix::test]
async fn a_store_that_comes_back_after_long_is_read_at_once() {
    let setup = setup();
    let first = setup.start();
    first.wait_for_list().await.unwrap();
    setup.documents.set_failing(true);
    let sync = setup.start();
    sleep(Duration::from_secs(1_800)).await;
    setup.documents.set_failing(false);
    let began = Instant::now();
    assert_eq!(sync.wait_for_list().await.unwrap().iter().len(), 2);
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[actix::test]
async fn a_new_store_that_comes_late_is_filled_at_once() {
    let setup = setup();
    setup.documents.set_failing(true);
    let sync = setup.start();
    for _ in 0..3 {
        // Whoever asks for a run meanwhile puts nothing off.
        sleep(Duration::from_secs(600)).await;
        assert!(matches!(sync.sync_now().await, Err(GenreSyncError::Store(_))));
    }
    assert!(setup.calls().is_empty(), "there is nowhere to put what it says");
    setup.documents.set_failing(false);
    let began = Instant::now();
    assert_eq!(sync.wait_for_list().await.unwrap().iter().len(), 2);
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[actix::test]
async fn a_source_that_fails_is_asked_less_and_less_also_without_a_list() {
    let setup = setup();
    setup.source.on_genres(|| Err(MetadataError::Unauthorized));
    let sync = setup.start();
    sleep(Duration::from_secs(300)).await;
    let failures = sync.status().failures;
    assert!((4..=10).contains(&failures), "{failures}");
}

#[actix::test]
async fn a_list_that_another_replica_stores_is_found_without_being_told() {
    let setup = setup();
    setup.lease.seize("genre-sync");
    let sync = setup.start();
    sleep(Duration::from_secs(600)).await;
    let listed = GenreList::default();
    let source = genres(&[(18, "Drama")]);
    let list = listed.changes_to_match(&source, setup.clock.now());
    setup.documents.save_genres(&list).await.unwrap();
    let began = Instant::now();
    assert_eq!(sync.wait_for_list().await.unwrap().iter().len(), 1);
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[actix::test]
async fn two_requests_share_one_run() {
    let setup = setup();
    setup.source.set_delay(Duration::from_secs(1));
    let sync = setup.start();
    let (first, second) = tokio::join!(sync.sync_now(), sync.sync_now());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(setup.calls().len(), 1);
}

#[actix::test]
async fn a_store_that_fails_leaves_the_published_list() {
    let setup = setup();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    setup.documents.set_failing(true);
    assert!(matches!(sync.sync_now().await, Err(GenreSyncError::Store(_))));
    assert_eq!(sync.list().iter().len(), 2);
    setup.documents.set_failing(false);
    assert!(sync.sync_now().await.is_ok());
}

#[actix::test]
async fn a_panic_in_the_source_costs_one_run() {
    let setup = setup();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    setup.source.panic_next(1);
    assert!(sync.sync_now().await.is_err());
    assert!(sync.sync_now().await.is_ok());
    sleep(TWO_HOURS + Duration::from_secs(1)).await;
    assert!(setup.calls().len() >= 4, "the timer runs on: {}", setup.calls().len());
}

#[actix::test]
async fn it_comes_back_from_a_panic_of_its_own_with_its_timer() {
    use watchme_actors::supervision::InjectPanic;
    let setup = setup();
    let sync = setup.start();
    sync.wait_for_list().await.unwrap();
    for panic in [InjectPanic::InFuture, InjectPanic::InHandler] {
        assert!(sync.inject(panic).await.is_err());
        sleep(Duration::from_secs(1)).await;
        assert!(sync.sync_now().await.is_ok());
    }
    let health = sync.health();
    assert_eq!((health.restarts, health.rebuilds), (1, 1));
    let before = setup.calls().len();
    sleep(TWO_HOURS + Duration::from_secs(1)).await;
    assert_eq!(setup.calls().len(), before + 1);
}
