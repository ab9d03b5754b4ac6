//! Rebuilding reports by command: they equal the marks afterwards, whatever was stored before and
//! whatever goes on meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod replicas;

use std::sync::Arc;

use replicas::World;
use tokio::time::{Duration, advance};
use watchme_actors::{
    domain::{Projection, UserId},
    ports::{Reports, StoreError},
    report::{RebuildPorts, Rebuilt, rebuild},
    testing::fakes::DrivenClock,
};

fn ports(world: &World) -> RebuildPorts {
    RebuildPorts {
        reports: Arc::new(world.documents.clone()),
        watch_log: Arc::new(world.marks.clone()),
        clock: Arc::new(DrivenClock::starting_at(world.now())),
    }
}

async fn assert_true(world: &World, users: &[UserId]) {
    for user in users {
        let stored = world.documents.projection(*user).await.unwrap();
        assert_eq!(stored, Some(world.marks.truth(*user)));
    }
}

/// Users with two marks each, at moments of their own.
async fn users(world: &World, count: usize) -> Vec<UserId> {
    let users: Vec<UserId> = (0..count).map(|_| UserId::generate()).collect();
    for user in &users {
        for movie in [1, 2] {
            let _ = world.marks.mark(*user, movie, world.now());
        }
        advance(Duration::from_millis(1)).await;
    }
    users
}

#[tokio::test]
async fn everybody_is_rebuilt_whether_or_not_a_report_is_stored() {
    let world = World::new();
    let users = users(&world, 1_203).await;
    // One is wrong where nothing would ever notice it.
    let mut wrong = world.marks.truth(users[7]);
    wrong.total_films = 99;
    world.documents.replace(&wrong).await.unwrap();
    let mut batches = Vec::new();
    let done = rebuild(&ports(&world), None, |so_far| batches.push(so_far.rebuilt)).await.unwrap();
    assert_eq!(done, Rebuilt { rebuilt: 1_203, ..Rebuilt::default() });
    assert_eq!(batches, [500, 1_000, 1_203]);
    assert_true(&world, &users).await;
}

#[tokio::test]
async fn who_goes_on_marking_meanwhile_is_met_all_the_same_and_it_ends() {
    let world = World::new();
    let users = users(&world, 1_001).await;
    let mut wrong = world.marks.truth(users[1_000]);
    wrong.total_films = 99;
    world.documents.replace(&wrong).await.unwrap();
    // Whenever a batch is done, the last ones move behind the end of the list.
    let mut movie = 3;
    let ports = ports(&world);
    let done = rebuild(&ports, None, |_| {
        for user in &users[200..] {
            let _ = world.marks.mark(*user, movie, world.now());
        }
        movie += 1;
    });
    let done = tokio::time::timeout(Duration::from_secs(60), done).await.unwrap().unwrap();
    assert!(done.rebuilt >= 1_001, "{done:?}");
    let stored = world.documents.projection(users[1_000]).await.unwrap().unwrap();
    assert!(stored.total_films < 99);
}

#[tokio::test]
async fn one_user_is_rebuilt_and_others_are_left() {
    let world = World::new();
    let users = users(&world, 2).await;
    let done = rebuild(&ports(&world), Some(users[0]), |_| {}).await.unwrap();
    assert_eq!(done, Rebuilt { rebuilt: 1, ..Rebuilt::default() });
    assert_true(&world, &users[..1]).await;
    assert_eq!(world.documents.projection(users[1]).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_left_of_an_account_that_is_gone_is_deleted() {
    let world = World::new();
    let gone = UserId::generate();
    world.documents.replace(&Projection { last_seq: 3, ..Projection::empty(gone) }).await.unwrap();
    let done = rebuild(&ports(&world), Some(gone), |_| {}).await.unwrap();
    assert_eq!(done, Rebuilt { gone: 1, ..Rebuilt::default() });
    assert_eq!(world.documents.projection(gone).await.unwrap(), None);
}

#[tokio::test]
async fn unreadable_marks_are_counted_and_a_store_that_is_away_is_an_error() {
    let world = World::new();
    let users = users(&world, 3).await;
    world.marks.set_unreadable(users[1]);
    let done = rebuild(&ports(&world), None, |_| {}).await.unwrap();
    assert_eq!(done, Rebuilt { rebuilt: 2, unreadable: 1, ..Rebuilt::default() });
    world.documents.set_failing(true);
    let failed = rebuild(&ports(&world), None, |_| {}).await.unwrap_err();
    assert!(matches!(failed, StoreError::Unavailable { store: "documents", .. }));
}
