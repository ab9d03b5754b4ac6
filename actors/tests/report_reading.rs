//! Reading reports: what it costs, and that nothing remembered is ever taken for what is true now.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod replicas;

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use replicas::{World, user_of};
use tokio::time::{Instant, advance, sleep};
use watchme_actors::{
    domain::UserId,
    ports::{Reports, StoreError},
};

#[actix::test]
async fn a_report_that_is_known_costs_one_look_at_the_users_number() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let user = user_of(4);
    let _ = world.marks.mark(user, 1, world.now());
    world.documents.replace(&world.marks.truth(user)).await.unwrap();
    let first = reader.handle.report(user).await.unwrap().unwrap();
    assert_eq!(*first, world.marks.truth(user).facts());
    // Nobody asks the store, which could not answer.
    world.documents.set_failing(true);
    let numbers = world.marks.numbers_read();
    for _ in 0..10 {
        assert_eq!(reader.handle.report(user).await.unwrap(), Some(first.clone()));
    }
    assert_eq!((world.marks.numbers_read(), world.marks.histories_read()), (numbers + 10, 0));
    // What is counted from the marks is known as well.
    let _ = world.marks.mark(user, 2, world.now());
    for _ in 0..10 {
        let seen = reader.handle.report(user).await.unwrap().unwrap();
        assert_eq!(*seen, world.marks.truth(user).facts());
    }
    assert_eq!(world.marks.histories_read(), 1);
}

#[actix::test]
async fn each_mark_is_in_the_next_report() {
    let world = World::new();
    let only = world.sole_replica();
    let user = user_of(4);
    for movie in 1..=20 {
        world.mark(user, movie);
        let seen = only.handle.report(user).await.unwrap().unwrap();
        assert_eq!(*seen, world.marks.truth(user).facts());
        // Known now, and again.
        assert_eq!(only.handle.report(user).await.unwrap(), Some(seen));
    }
    world.marks.erase(user, world.now());
    assert_eq!(only.handle.report(user).await.unwrap(), None);
}

#[actix::test]
async fn what_another_process_puts_right_is_seen_within_ten_seconds() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let user = user_of(4);
    let _ = world.marks.mark(user, 1, world.now());
    let mut wrong = world.marks.truth(user);
    wrong.total_films = 99;
    world.documents.replace(&wrong).await.unwrap();
    let films = async || reader.handle.report(user).await.unwrap().unwrap().total_films;
    assert_eq!(films().await, 99);
    world.documents.replace(&world.marks.truth(user)).await.unwrap();
    advance(Duration::from_secs(9)).await;
    assert_eq!(films().await, 99, "reading does not make it younger");
    advance(Duration::from_secs(1)).await;
    assert_eq!(films().await, 1);
}

#[actix::test]
async fn what_this_process_puts_right_is_seen_at_once() {
    let world = World::new();
    let only = world.sole_replica();
    let user = user_of(4);
    let mut unreadable = world.marks.mark(user, 1, world.now());
    let mut wrong = world.marks.truth(user);
    wrong.total_films = 99;
    world.documents.replace(&wrong).await.unwrap();
    assert_eq!(only.handle.report(user).await.unwrap().unwrap().total_films, 99);
    unreadable.unreadable = Some("there is no data in the envelope".to_owned());
    world.bus.put(unreadable);
    world.until("the report is rebuilt", 1, || only.handle.status().rebuilt == 1).await;
    assert_eq!(only.handle.report(user).await.unwrap().unwrap().total_films, 1);
}

#[actix::test]
async fn those_who_ask_at_once_ask_together() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let users: Vec<UserId> = (0..300).map(|_| user_of(4)).collect();
    for user in &users {
        let _ = world.marks.mark(*user, 1, world.now());
        world.documents.replace(&world.marks.truth(*user)).await.unwrap();
        world.marks.set_slow(*user, Duration::from_micros(100));
    }
    let before = world.marks.numbers_read();
    let asked = users.iter().chain(&users).map(|user| reader.handle.report(*user));
    let seen = join_all(asked).await;
    let seen: BTreeSet<UserId> = seen.into_iter().map(|it| it.unwrap().unwrap().user_id).collect();
    assert_eq!(seen.len(), 300);
    // The first two alone, everybody else with those who waited beside them.
    let questions = world.marks.numbers_read() - before;
    assert!((3..=6).contains(&questions), "{questions} questions");

    world.marks.set_failing(true);
    let failed = reader.handle.report(users[0]).await.unwrap_err();
    assert!(matches!(failed, StoreError::Unavailable { store: "sql", .. }));
    world.marks.set_failing(false);
    assert!(reader.handle.report(users[0]).await.is_ok());
}

#[actix::test]
async fn a_number_that_does_not_come_is_not_waited_for() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let (silent, other) = (user_of(4), user_of(5));
    let _ = world.marks.mark(silent, 1, world.now());
    world.marks.set_slow(silent, Duration::from_secs(60));
    let began = Instant::now();
    reader.handle.report(silent).await.unwrap_err();
    let given_up = began.elapsed();
    assert!((2_000..2_010).contains(&given_up.as_millis()), "{given_up:?}");
    // One question is silent: another one goes its way beside it.
    assert!(reader.handle.report(other).await.unwrap().is_none());
    assert!((began.elapsed() - given_up).as_millis() < 5, "{:?}", began.elapsed());
    sleep(Duration::from_secs(60)).await;
    assert!(reader.handle.report(silent).await.is_err());
}

#[actix::test]
async fn all_reports_are_walked_through_in_pages() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let mut users: Vec<UserId> = (0..25).map(|_| user_of(4)).collect();
    users.sort_unstable();
    for (number, user) in users.iter().enumerate() {
        let _ = world.marks.mark(*user, 1, world.now());
        // Some are stored, the others are counted.
        if number % 5 > 0 {
            world.documents.replace(&world.marks.truth(*user)).await.unwrap();
        }
    }
    let (mut place, mut walked) = (None, Vec::new());
    while let Some((last, some)) = reader.handle.reports_after(place, 10).await.unwrap() {
        place = Some(last);
        walked.extend(some);
    }
    let truth: Vec<_> = users.iter().map(|user| world.marks.truth(*user).facts()).collect();
    assert_eq!(walked, truth);
    assert_eq!(world.marks.lists_read(), 4);
}
