//! TrendingActor: views and marks become scores, and scores become the films that are shown.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod replicas;

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use replicas::{World as Watching, user_of};
use tokio::time::{pause, sleep};
use watchme_actors::{
    domain::{Hour, Movie, MovieId, UserId},
    ports::{Catalogue, Clock, EventBus, ProcessLeases, TrendingStore},
    supervision::InjectPanic,
    testing::{
        contracts::catalogue::samples::{details, movie, movie_id},
        fakes::{DrivenClock, MemoryDocuments, MemoryLease, MemoryViews},
    },
    trending::{Tally, TrendingHandle, TrendingPorts, TrendingWindow},
};

const HOUR: Duration = Duration::from_secs(3_600);

struct World {
    documents: MemoryDocuments,
    lease: MemoryLease,
    clock: DrivenClock,
}

impl World {
    async fn new() -> Self {
        pause();
        let documents = MemoryDocuments::new();
        let movies: Vec<Movie> = (1..=5).map(|number| movie(number, &[1])).collect();
        let full = Movie { details: Some(details()), ..movie(1, &[1]) };
        documents.upsert(&movies).await.unwrap();
        documents.upsert(&[full]).await.unwrap();
        Self { documents, lease: MemoryLease::new(), clock: DrivenClock::default() }
    }

    fn replica(&self, views: &MemoryViews) -> TrendingHandle {
        self.counting(views, Tally::default())
    }

    fn counting(&self, views: &MemoryViews, tally: Tally) -> TrendingHandle {
        let ports = TrendingPorts {
            views: Arc::new(views.clone()),
            store: Arc::new(self.documents.clone()),
            catalogue: Arc::new(self.documents.clone()),
            leases: ProcessLeases::new(Arc::new(self.lease.clone())),
            clock: Arc::new(self.clock),
        };
        TrendingHandle::start(&Arbiter::current(), ports, tally)
    }

    /// The scores that are stored, of every hour.
    async fn scores(&self) -> Vec<(MovieId, u64)> {
        self.documents.top_movies(Hour::from_number(0), 100).await.unwrap()
    }
}

fn shown(trending: &TrendingHandle, window: TrendingWindow) -> Vec<u32> {
    trending.films().of(window).iter().map(|movie| movie.id.get()).collect()
}

/// Different users each view a movie.
async fn viewed(trending: &TrendingHandle, movie: i64, times: usize) {
    let before = trending.status().views;
    for _ in 0..times {
        trending.viewed(UserId::generate(), movie_id(movie));
    }
    while trending.status().views < before + times as u64 {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets a feed be listened to.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

#[actix::test]
async fn what_is_viewed_most_is_shown_first_and_ties_go_by_number() {
    let world = World::new().await;
    let trending = world.replica(&MemoryViews::new());
    settle().await;
    assert_eq!(shown(&trending, TrendingWindow::Day), [0; 0]);
    for (movie, times) in [(4, 2), (2, 3), (1, 2), (5, 1)] {
        viewed(&trending, movie, times).await;
    }
    // One that the catalogue does not have (any more) is not shown.
    viewed(&trending, 99, 9).await;
    trending.refresh_now().await.unwrap();
    assert_eq!(shown(&trending, TrendingWindow::Day), [2, 1, 4, 5]);
    assert_eq!(shown(&trending, TrendingWindow::Week), [2, 1, 4, 5]);
    let films = trending.films();
    assert!(films.of(TrendingWindow::Day).iter().all(|movie| movie.details.is_none()));
    assert!(films.age().unwrap() < Duration::from_secs(1));
}

#[actix::test]
async fn a_user_counts_once_an_hour_for_each_movie() {
    let world = World::new().await;
    let trending = world.replica(&MemoryViews::new());
    settle().await;
    let (one, other) = (UserId::generate(), UserId::generate());
    for _ in 0..3 {
        trending.viewed(one, movie_id(1));
        trending.viewed(one, movie_id(2));
        trending.viewed(other, movie_id(1));
    }
    settle().await;
    let status = trending.status();
    assert_eq!((status.views, status.repeated, status.waiting), (3, 6, 2));
    sleep(HOUR).await;
    trending.viewed(one, movie_id(1));
    settle().await;
    assert_eq!(trending.status().views, 4);
}

#[actix::test]
async fn every_replica_shows_the_same_within_a_minute() {
    let world = World::new().await;
    let (first, second) = (world.replica(&MemoryViews::new()), world.replica(&MemoryViews::new()));
    settle().await;
    viewed(&first, 1, 2).await;
    viewed(&first, 3, 1).await;
    viewed(&second, 3, 2).await;
    sleep(Duration::from_secs(60)).await;
    for replica in [&first, &second] {
        assert_eq!(shown(replica, TrendingWindow::Day), [3, 1]);
        assert_eq!(replica.status().waiting, 0);
    }
}

#[actix::test]
async fn the_windows_reach_back_as_far_as_they_say_and_old_scores_are_deleted() {
    let world = World::new().await;
    let trending = world.replica(&MemoryViews::new());
    settle().await;
    viewed(&trending, 1, 1).await;
    sleep(23 * HOUR).await;
    assert_eq!(shown(&trending, TrendingWindow::Day), [1]);
    sleep(3 * HOUR).await;
    viewed(&trending, 2, 1).await;
    trending.refresh_now().await.unwrap();
    assert_eq!(shown(&trending, TrendingWindow::Day), [2]);
    assert_eq!(shown(&trending, TrendingWindow::Week), [1, 2]);
    sleep(6 * 24 * HOUR).await;
    assert_eq!(shown(&trending, TrendingWindow::Day), [0; 0]);
    assert_eq!(shown(&trending, TrendingWindow::Week), [2]);
    assert_eq!(world.scores().await.len(), 2);

    world.lease.seize("trending-purge");
    sleep(24 * HOUR).await;
    assert_eq!(world.scores().await.len(), 2, "another replica deletes");
    world.lease.give_back("trending-purge");
    sleep(2 * HOUR).await;
    assert_eq!(world.scores().await, [(movie_id(2), 1)]);
    sleep(30 * HOUR).await;
    assert_eq!(world.scores().await, []);
}

#[actix::test]
async fn without_its_store_nothing_is_lost_and_the_last_films_are_shown() {
    let world = World::new().await;
    let trending = world.replica(&MemoryViews::new());
    settle().await;
    viewed(&trending, 1, 1).await;
    trending.refresh_now().await.unwrap();
    world.documents.set_failing(true);
    viewed(&trending, 2, 3).await;
    trending.refresh_now().await.unwrap_err();
    sleep(Duration::from_secs(120)).await;
    assert_eq!(shown(&trending, TrendingWindow::Day), [1]);
    assert!(trending.films().age().unwrap() >= Duration::from_secs(100));
    world.documents.set_failing(false);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(shown(&trending, TrendingWindow::Day), [2, 1]);
    assert_eq!(world.scores().await, [(movie_id(2), 3), (movie_id(1), 1)]);
}

#[actix::test]
async fn panics_lose_nothing_that_was_counted() {
    let world = World::new().await;
    let trending = world.replica(&MemoryViews::new());
    settle().await;
    for (round, panic) in [InjectPanic::InFuture, InjectPanic::InHandler].into_iter().enumerate() {
        viewed(&trending, 1, 2).await;
        trending.inject(panic).await.unwrap_err();
        sleep(Duration::from_secs(30)).await;
        assert_eq!(world.scores().await, [(movie_id(1), 2 * (round as u64 + 1))]);
        assert_eq!(shown(&trending, TrendingWindow::Day), [1]);
    }
}

#[actix::test]
async fn a_mark_counts_once_whatever_becomes_of_its_event() {
    let world = World::new().await;
    let watching = Watching::while_time_stands_still();
    let replica = watching.sole_replica();
    let trending = world.counting(&MemoryViews::new(), replica.tally.clone());
    let (one, other) = (user_of(1), user_of(2));
    let first = watching.marks.mark(one, 1, world.clock.now());
    let second = watching.marks.mark(one, 2, world.clock.now());
    let again = vec![first.clone(), first.clone(), second.clone(), first, second];
    watching.bus.publish(again).await;
    // An event that was lost: the next one rebuilds the user, which counts nothing.
    drop(watching.marks.mark(other, 3, world.clock.now()));
    watching.mark(other, 4);
    watching.settled(&[one, other], 5).await;
    trending.refresh_now().await.unwrap();
    assert_eq!(world.scores().await, [(movie_id(1), 5), (movie_id(2), 5)]);
    assert_eq!(trending.status().views, 0, "a mark is no view");
}
