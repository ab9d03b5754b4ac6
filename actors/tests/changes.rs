//! Changes: whoever is told of one reads what is true after it, and while nobody is told, what is
//! remembered does not count for long.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use tokio::time::{sleep, timeout};
use watchme_actors::{
    changes::Applied,
    domain::Timestamp,
    ports::{Change, ChangeFeed},
    testing::contracts::catalogue::samples::movie_id,
};

use self::world::World;

#[actix::test]
async fn listeners_are_told_of_genres_once_the_new_list_is_there() {
    let mut world = World::new();
    world.store_genre("Drama").await;
    world.changes.announce(Change::Genres).await;
    assert_eq!(world.told().await, Applied::Change(Change::Genres));
    assert_eq!(world.genre_name(), "Drama");

    // A store that is away for a moment: told when it has been read, not before.
    world.store_genre("Tragedy").await;
    world.documents.set_failing(true);
    world.changes.announce(Change::Genres).await;
    assert!(timeout(Duration::from_secs(3), world.applied.recv()).await.is_err());
    // Nobody else waits for it.
    world.changes.announce(Change::Account(world.user)).await;
    assert_eq!(world.told().await, Applied::Change(Change::Account(world.user)));
    world.documents.set_failing(false);
    let told = timeout(Duration::from_secs(15), world.applied.recv()).await.unwrap().unwrap();
    assert_eq!((told, &*world.genre_name()), (Applied::Change(Change::Genres), "Tragedy"));
}

#[actix::test]
async fn listeners_are_told_of_everything_else_once_the_actors_have_forgotten() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    for change in [Change::Subscriptions(world.user), Change::Movie(movie_id(1))] {
        world.changes.announce(change).await;
        assert_eq!(world.told().await, Applied::Change(change));
    }
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (0, "New"));
}

#[actix::test]
async fn what_is_remembered_is_read_again_soon_while_nobody_is_told() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    world.store_genre("Drama").await;
    world.changes.announce(Change::Genres).await;
    world.told().await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    world.store_genre("Tragedy").await;
    sleep(Duration::from_secs(20)).await;
    let seen = (world.entitled().await, &*world.title(movie_id(1)).await, &*world.genre_name());
    assert_eq!(seen, (1, "Old", "Drama"), "as long as everybody is told, nothing is in doubt");

    world.changes.set_connected(false);
    sleep(Duration::from_millis(100)).await;
    assert!(world.handles.alone.now());
    assert_eq!(world.entitled().await, 0, "it is older than two seconds");
    assert_eq!(world.title(movie_id(1)).await, "New", "it is older than ten seconds");
    sleep(Duration::from_secs(31)).await;
    assert_eq!(world.genre_name(), "Tragedy");
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.entitled().await, 1);
}

#[actix::test]
async fn everything_is_forgotten_when_changes_arrive_again() {
    let mut world = World::new();
    world.held.give(world.user, &[1], Timestamp::EPOCH, None);
    world.store_movie("Old").await;
    world.changes.set_connected(false);
    sleep(Duration::from_millis(100)).await;
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (1, "Old"));
    world.held.take_all(world.user);
    world.store_movie("New").await;
    world.store_genre("Drama").await;
    world.changes.set_connected(true);
    assert_eq!(world.told().await, Applied::Everything);
    assert_eq!((world.entitled().await, &*world.title(movie_id(1)).await), (0, "New"));
    assert_eq!(world.told().await, Applied::Change(Change::Genres));
    assert_eq!(world.genre_name(), "Drama");
    assert!(!world.handles.alone.now());
}

#[actix::test]
async fn a_connection_that_was_away_for_no_longer_than_a_look_counts_too() {
    let mut world = World::new();
    sleep(Duration::from_millis(100)).await;
    world.changes.set_connected(false);
    world.changes.set_connected(true);
    assert_eq!(world.told().await, Applied::Everything);
    assert!(!world.handles.alone.now());
}

#[actix::test]
async fn draining_gives_every_lease_up() {
    let world = World::new();
    sleep(Duration::from_secs(10)).await;
    let names = (0..8).map(|it| format!("report-{it}")).chain(["outbox-relay".to_owned()]);
    let names: Vec<String> = names.collect();
    assert!(names.iter().all(|name| world.lease.holder(name).is_some()));
    world.handles.drain().await;
    assert!(names.iter().all(|name| world.lease.holder(name).is_none()));
}
