//! Lists follow what is stored: whoever is told of a change is answered from an index that has it,
//! and what nobody told of is found.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use watchme_actors::{
    changes::Applied,
    domain::{Movie, MovieFilter, MovieId, MoviePage, MovieQuery, PageRequest},
    movie_index::IndexStatus,
    ports::{Catalogue, Change, ChangeFeed},
    supervision::InjectPanic,
    testing::contracts::catalogue::samples::{
        everything, filtered, genres, movie, movie_id, random_movie, random_query,
    },
};

use self::world::{World, now};

/// A drama that was fetched so many milliseconds after the start.
fn titled(id: i64, title: &str, fetched: u64) -> Movie {
    let fetched_at = now().after(Duration::from_millis(fetched));
    Movie { title: title.to_owned(), fetched_at, ..movie(id, &[18]) }
}

fn containing(text: &str) -> MovieQuery {
    filtered(&[18], MovieFilter { text: Some(text.to_owned()), ..MovieFilter::default() })
}

impl World {
    /// With these movies in an index.
    async fn with(movies: &[Movie]) -> Self {
        let world = Self::new();
        world.documents.upsert(movies).await.unwrap();
        world.indexed().await;
        world
    }

    async fn indexed(&self) -> IndexStatus {
        self.handles.index.wait_for(|status| !status.behind).await
    }

    /// What the index alone answers; `None` while there is none.
    async fn in_index(&self, query: &MovieQuery) -> Option<Vec<u32>> {
        let listing = self.handles.index.list(query, PageRequest::default()).await?;
        assert_eq!(listing.total_items, listing.ids.len() as u64);
        Some(listing.ids.iter().map(|id| id.get()).collect())
    }

    /// What readers are answered.
    async fn listed(&self, query: &MovieQuery) -> Vec<u32> {
        let page = self.handles.movies.list(query, PageRequest::default()).await.unwrap();
        page.items.iter().map(|movie| movie.id.get()).collect()
    }

    async fn announce(&mut self, change: Change) {
        self.changes.announce(change).await;
        assert_eq!(self.told().await, Applied::Change(change));
    }
}

#[actix::test]
async fn lists_come_from_the_store_until_there_is_an_index() {
    let world = World::new();
    let comedy = Movie { genres: genres(&[35]), ..titled(2, "Two", 0) };
    world.documents.upsert(&[titled(1, "One", 0), comedy]).await.unwrap();
    assert_eq!(world.in_index(&everything(&[18])).await, None);
    assert_eq!(world.listed(&everything(&[18])).await, [1]);
    let status = world.indexed().await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1]);
    assert_eq!(world.listed(&everything(&[18])).await, [1]);
    assert_eq!((status.films, status.read_at.is_some()), (2, true));
    assert!(status.bytes > 0);
}

#[actix::test]
async fn an_index_is_made_as_soon_as_the_store_is_back() {
    let world = World::new();
    world.documents.set_failing(true);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.in_index(&everything(&[18])).await, None);
    world.documents.set_failing(false);
    world.documents.upsert(&[titled(1, "One", 0)]).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1]);
}

#[actix::test]
async fn whoever_is_told_of_a_change_finds_it_in_lists() {
    let mut world = World::with(&[titled(1, "One", 0), titled(2, "Two", 0)]).await;
    world.documents.upsert(&[titled(1, "Moved", 1), titled(3, "New", 1)]).await.unwrap();
    assert_eq!(world.in_index(&containing("one")).await.unwrap(), [1], "nobody told yet");
    world.announce(Change::Movie(movie_id(1))).await;
    assert_eq!(world.in_index(&containing("one")).await.unwrap(), [0; 0]);
    assert_eq!(world.in_index(&containing("moved")).await.unwrap(), [1]);
    world.announce(Change::Movie(movie_id(3))).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 2, 3]);
    world.documents.remove(&[movie_id(2)]).await.unwrap();
    world.announce(Change::Movie(movie_id(2))).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 3]);
    // Back again, and all in one part: nothing is lost on the way.
    world.documents.upsert(&[titled(2, "Again", 2)]).await.unwrap();
    world.announce(Change::Movie(movie_id(2))).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 2, 3]);
    assert_eq!(world.indexed().await.films, 3);
}

#[actix::test]
async fn whoever_is_told_of_all_movies_finds_every_change() {
    let mut world = World::with(&[titled(1, "One", 0), titled(2, "Two", 0)]).await;
    world.documents.upsert(&[titled(1, "Moved", 1), titled(700, "New", 1)]).await.unwrap();
    world.documents.remove(&[movie_id(2)]).await.unwrap();
    world.announce(Change::AllMovies).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 700]);
    assert_eq!(world.in_index(&containing("one")).await.unwrap(), [0; 0]);
}

#[actix::test]
async fn many_changes_at_once_are_all_found() {
    let world = World::with(&[]).await;
    let movies: Vec<Movie> = (1..=3_000).map(|id| titled(id, "Many", 0)).collect();
    for batch in movies.chunks(700) {
        world.documents.upsert(batch).await.unwrap();
        for movie in batch {
            world.changes.announce(Change::Movie(movie.id)).await;
        }
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.indexed().await.films, 3_000);
}

#[actix::test]
async fn another_catalogue_is_taken_over_whole() {
    let movies: Vec<Movie> = (1..=20).map(|id| titled(id, "Old", 0)).collect();
    let mut world = World::with(&movies).await;
    let others: Vec<Movie> = (15..=2_000).map(|id| titled(id, "Other", 1)).collect();
    world.documents.remove(&(1..15).map(movie_id).collect::<Vec<_>>()).await.unwrap();
    world.documents.upsert(&others).await.unwrap();
    world.announce(Change::AllMovies).await;
    assert_eq!(world.indexed().await.films, 1_986);
    assert_eq!(world.in_index(&containing("old")).await.unwrap(), [0; 0]);
    world.documents.upsert(&[titled(15, "Old again", 2)]).await.unwrap();
    world.announce(Change::Movie(movie_id(15))).await;
    assert_eq!(world.in_index(&containing("old")).await.unwrap(), [15]);
}

#[actix::test]
async fn a_search_is_answered_with_what_it_has_just_found() {
    let world = World::with(&[titled(1, "One", 0)]).await;
    let movies = vec![titled(7, "The One", 0), titled(8, "One More", 0)];
    world.metadata.queue_search(Ok(MoviePage { movies, total_pages: 1, rejected: 0 }));
    assert!(world.handles.movies.prepare_search("one").await);
    assert_eq!(world.in_index(&containing("one")).await.unwrap(), [1, 7, 8]);
}

#[actix::test]
async fn a_movie_that_its_source_has_dropped_leaves_lists_at_once() {
    let world = World::with(&[titled(1, "One", 0), titled(2, "Two", 0)]).await;
    world.metadata.on_genres(|| Ok(Vec::new()));
    world.metadata.queue_movie(Ok(None));
    world.handles.movies.forget(Some(movie_id(1))).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [2]);
}

#[actix::test]
async fn listeners_hear_again_when_lists_come_later_than_the_news() {
    let mut world = World::with(&[titled(1, "One", 0)]).await;
    world.documents.upsert(&[titled(1, "Moved", 1)]).await.unwrap();
    world.documents.set_failing(true);
    world.announce(Change::Movie(movie_id(1))).await;
    assert_eq!(world.in_index(&containing("one")).await.unwrap(), [1], "it cannot be read");
    world.documents.set_failing(false);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(world.told().await, Applied::Change(Change::AllMovies));
    assert_eq!(world.in_index(&containing("moved")).await.unwrap(), [1]);
}

#[actix::test]
async fn what_changed_while_nothing_was_heard_is_found_when_it_is_again() {
    let mut world = World::with(&[titled(1, "One", 0)]).await;
    world.changes.set_connected(false);
    sleep(Duration::from_millis(100)).await;
    world.documents.upsert(&[titled(2, "Two", 0)]).await.unwrap();
    world.changes.set_connected(true);
    assert_eq!(world.told().await, Applied::Everything);
    while world.told().await != Applied::Change(Change::AllMovies) {}
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 2]);
}

#[actix::test]
async fn what_nobody_told_of_is_found_in_time() {
    let world = World::with(&[titled(1, "One", 0)]).await;
    world.documents.upsert(&[titled(2, "Two", 0)]).await.unwrap();
    sleep(Duration::from_secs(280)).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1]);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 2]);

    // Soon, while changes of others would not be heard.
    world.changes.set_connected(false);
    world.documents.upsert(&[titled(3, "Three", 0)]).await.unwrap();
    sleep(Duration::from_secs(11)).await;
    assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), [1, 2, 3]);
}

#[actix::test]
async fn however_movies_change_lists_are_those_of_the_store() {
    let mut world = World::with(&[]).await;
    let mut random = StdRng::seed_from_u64(7);
    for turn in 0..300 {
        let id = random.random_range(1..40);
        let fetched_at = now().after(Duration::from_secs(turn));
        if random.random_bool(0.3) {
            world.documents.remove(&[movie_id(id)]).await.unwrap();
        } else {
            let movie = Movie { fetched_at, ..random_movie(&mut random, id) };
            world.documents.upsert(&[movie]).await.unwrap();
        }
        let change =
            if random.random_bool(0.1) { Change::AllMovies } else { Change::Movie(movie_id(id)) };
        world.announce(change).await;
        let (query, page) = random_query(&mut random);
        let stored = world.documents.movies(&query, page).await.unwrap();
        let listing = world.handles.index.list(&query, page).await.unwrap();
        let ids: Vec<MovieId> = stored.items.iter().map(|movie| movie.id).collect();
        assert_eq!((listing.ids, listing.total_items), (ids, stored.total_items), "{turn}");
        if random.random_bool(0.3) {
            // Time for the parts to be gathered.
            sleep(Duration::from_secs(1)).await;
        }
    }
}

fn many() -> Vec<Movie> {
    (1..=3_000).map(|id| titled(id, "Old", 0)).collect()
}

/// Lets others go on, so many times.
async fn meanwhile(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn the_first_index_has_what_changed_while_it_was_made() {
    let world = World::new();
    world.documents.upsert(&many()).await.unwrap();
    // All are read by then, and being sorted.
    meanwhile(50).await;
    world.documents.upsert(&[titled(1, "New", 1)]).await.unwrap();
    world.changes.announce(Change::Movie(movie_id(1))).await;
    meanwhile(50).await;
    assert_eq!(world.in_index(&everything(&[18])).await, None, "it is being made");
    world.handles.index.wait_for(|status| status.films > 0).await;
    assert_eq!(world.in_index(&containing("new")).await.unwrap(), [1]);
}

#[actix::test]
async fn a_film_that_changes_while_all_are_read_is_shown_as_it_is_last() {
    let world = World::with(&many()).await;
    for turn in 1..16 {
        let stored = titled(1, "Between", 2 * turn);
        world.documents.upsert(&[stored]).await.unwrap();
        world.changes.announce(Change::AllMovies).await;
        meanwhile(usize::try_from(turn).unwrap()).await;
        let movies = vec![titled(1, &format!("Last {turn}"), 2 * turn + 1)];
        world.metadata.queue_search(Ok(MoviePage { movies, total_pages: 1, rejected: 0 }));
        let text = format!("last {turn}");
        assert!(world.handles.movies.prepare_search(&text).await);
        for _ in 0..50 {
            assert_eq!(world.in_index(&containing(&text)).await.unwrap(), [1], "{turn}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[actix::test]
async fn a_panic_loses_no_change() {
    let mut world = World::with(&[titled(1, "One", 0)]).await;
    for (id, panic) in [(2, InjectPanic::InFuture), (3, InjectPanic::InHandler)] {
        world.documents.upsert(&[titled(id, "New", 0)]).await.unwrap();
        assert!(world.handles.index.inject(panic).await.is_err());
        world.announce(Change::Movie(movie_id(id))).await;
        sleep(Duration::from_secs(5)).await;
        let ids: Vec<u32> = (1..=u32::try_from(id).unwrap()).collect();
        assert_eq!(world.in_index(&everything(&[18])).await.unwrap(), ids);
    }
    let health = world.handles.index.health();
    assert_eq!((health.alive, health.restarts, health.rebuilds), (true, 1, 1));
}
