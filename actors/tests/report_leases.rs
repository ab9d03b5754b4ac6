//! ReportActor on several replicas: each partition is folded by whoever holds its lease, and by
//! nobody else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod replicas;

use std::{collections::BTreeSet, time::Duration};

use replicas::{World, user_of};
use tokio::time::{Instant, sleep};
use watchme_actors::{
    domain::{PARTITIONS, UserId},
    ports::{EventBus, Reports},
    supervision::InjectPanic,
};

const ALL: usize = PARTITIONS as usize;

fn everybody() -> Vec<UserId> {
    (0..PARTITIONS).map(user_of).collect()
}

#[actix::test]
async fn a_process_that_is_alone_folds_everything() {
    let world = World::new();
    let only = world.replica();
    world.until("it holds all", 8, || only.held() == ALL).await;
    let users = everybody();
    for user in &users {
        world.mark(*user, 1);
        world.mark(*user, 2);
    }
    world.settled(&users, 1).await;
    world.until("everything is acknowledged", 1, || world.bus.left() == 0).await;
}

#[actix::test]
async fn replicas_that_start_together_share_the_partitions() {
    let world = World::new();
    let (first, second, third) = (world.replica(), world.replica(), world.replica());
    world.until("all are held", 5, || first.held() + second.held() + third.held() == ALL).await;
    for replica in [&first, &second, &third] {
        assert!((2..=4).contains(&replica.held()), "{} of {ALL}", replica.held());
    }
    let users = everybody();
    for user in &users {
        world.mark(*user, 1);
    }
    world.settled(&users, 1).await;
    assert!((0..PARTITIONS).all(|partition| world.bus.consumers(partition) == (1, 1)));
}

#[actix::test]
async fn a_process_that_is_known_to_be_the_only_one_waits_for_nothing() {
    let world = World::new();
    let began = Instant::now();
    let only = world.sole_replica();
    world.until("it holds all", 1, || only.held() == ALL).await;
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[actix::test]
async fn whoever_is_killed_is_followed_within_fifteen_seconds() {
    let world = World::new();
    let first = world.replica();
    world.until("the first holds all", 8, || first.held() == ALL).await;
    let second = world.replica();
    let users = everybody();
    for user in &users {
        world.mark(*user, 1);
    }
    world.settled(&users, 1).await;
    assert_eq!(second.held(), 0, "what is held is not taken");

    first.kill();
    for user in &users {
        world.mark(*user, 2);
    }
    world.settled(&users, 15).await;
    world.until("the second holds all", 1, || second.held() == ALL).await;
    let status = second.handle.status();
    assert_eq!((status.applied, status.duplicates), (8, 0), "nothing twice");
    assert!((0..PARTITIONS).all(|partition| world.bus.consumers(partition) == (1, 1)));
}

#[actix::test]
async fn a_lease_that_is_lost_ends_folding_until_it_is_free_again() {
    let world = World::new();
    let only = world.replica();
    world.until("it holds all", 8, || only.held() == ALL).await;
    world.lease.seize("report-3");
    world.until("it has noticed", 4, || only.held() == ALL - 1).await;
    assert_eq!(world.bus.consumers(3).0, 0);
    let (lost, kept) = (user_of(3), user_of(4));
    world.mark(lost, 1);
    world.mark(kept, 1);
    world.settled(&[kept], 1).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bus.left(), 1, "it is left for whoever holds the lease");
    world.lease.give_back("report-3");
    world.settled(&[lost], 4).await;
}

#[actix::test]
async fn without_an_answer_a_lease_lasts_no_longer_than_it_was_taken_for() {
    let world = World::new();
    let only = world.replica();
    world.until("it holds all", 8, || only.held() == ALL).await;
    let began = Instant::now();
    world.lease.set_failing(true);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(only.held(), ALL, "a store that is away for a moment is no loss");
    world
        .until("nobody folds", 5, || (0..PARTITIONS).all(|it| world.bus.consumers(it).0 == 0))
        .await;
    assert!(began.elapsed() <= Duration::from_secs(10));
    world.lease.set_failing(false);
    world.until("it holds all again", 4, || only.held() == ALL).await;
}

#[actix::test]
async fn an_actor_that_died_goes_on_with_what_its_process_holds() {
    let world = World::new();
    let first = world.replica();
    world.until("the first holds all", 8, || first.held() == ALL).await;
    let second = world.replica();
    sleep(Duration::from_secs(5)).await;
    let users = everybody();
    for panic in [InjectPanic::InFuture, InjectPanic::InHandler] {
        first.handle.inject(panic).await.unwrap_err();
        for user in &users {
            world.mark(*user, 1);
        }
        world.settled(&users, 1).await;
    }
    assert_eq!((first.held(), second.held()), (ALL, 0));
}

#[actix::test]
async fn a_replica_that_cannot_reach_the_bus_leaves_folding_to_others() {
    let world = World::new();
    let first = world.replica();
    world.until("the first holds all", 8, || first.held() == ALL).await;
    let second = world.replica();
    first.cut_off_from_the_bus();
    let users = everybody();
    for user in &users {
        world.mark(*user, 1);
    }
    world.settled(&users, 15).await;
    assert!(second.handle.status().applied >= 8);
}

#[actix::test]
async fn partitions_that_are_given_up_are_left_to_others_for_a_round() {
    let world = World::new();
    let only = world.replica();
    world.until("it holds all", 8, || only.held() == ALL).await;
    only.cut_off_from_the_bus();
    world.until("it gives one up", 10, || world.lease.holder("report-0").is_none()).await;
    // The others ask every three seconds.
    let left = Instant::now();
    while left.elapsed() < Duration::from_secs(4) {
        assert_eq!(world.lease.holder("report-0"), None, "{:?}", left.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    world.until("it asks again", 4, || world.lease.holder("report-0").is_some()).await;
}

#[actix::test]
async fn one_who_is_slow_holds_up_nobody_else() {
    let world = World::new();
    let only = world.sole_replica();
    world.until("it holds all", 1, || only.held() == ALL).await;
    let slow = user_of(5);
    world.marks.set_slow(slow, Duration::from_secs(60));
    let others: BTreeSet<UserId> = (0..20).map(|_| user_of(5)).chain(everybody()).collect();
    let others: Vec<UserId> = others.into_iter().collect();
    for movie in 1..=2 {
        world.mark(slow, movie);
        for user in &others {
            world.mark(*user, movie);
        }
    }
    // The same batch: at once. A later one of the same partition: after this one's own handling.
    world.settled(&others, 1).await;
    world.mark(others[0], 3);
    world.settled(&[others[0], slow], 241).await;
}

#[actix::test]
async fn what_nobody_can_read_is_put_aside_and_the_user_is_rebuilt() {
    let world = World::new();
    let only = world.sole_replica();
    let (poisoned, other) = (user_of(2), user_of(2));
    let mut unreadable = world.marks.mark(poisoned, 1, world.now());
    unreadable.unreadable = Some("there is no data in the envelope".to_owned());
    let mut half = world.marks.mark(poisoned, 2, world.now());
    half.payload.truncate(9);
    let stray = world.marks.mark(poisoned, 3, world.now());
    world.bus.publish(vec![unreadable.clone(), half, stray]).await;
    world.mark(other, 1);
    world.settled(&[poisoned, other], 5).await;
    let buried = world.bus.buried();
    assert_eq!(buried.len(), 2);
    assert_eq!(buried[0], (unreadable, "there is no data in the envelope".to_owned()));
    assert_eq!(only.handle.status().poisoned, 2);
    world.until("everything is acknowledged", 1, || world.bus.left() == 0).await;
}

#[actix::test]
async fn one_whose_marks_cannot_be_read_holds_up_nobody() {
    let world = World::new();
    let _only = world.sole_replica();
    let (damaged, other) = (user_of(2), user_of(2));
    world.marks.set_unreadable(damaged);
    // A gap, and nothing to close it with.
    world.marks.mark(damaged, 1, world.now());
    world.mark(damaged, 2);
    world.mark(other, 1);
    world.settled(&[other], 1).await;
    world.until("it is put aside", 1, || world.bus.buried().len() == 1).await;
    world.until("everything is acknowledged", 1, || world.bus.left() == 0).await;
}

#[actix::test]
async fn a_reader_sees_what_another_replica_folds_as_soon_as_it_is_there() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let user = user_of(4);
    for (folded_after, seen_after) in [(40, 60), (140, 155)] {
        world.marks.mark(user, folded_after, world.now());
        let began = Instant::now();
        let (seen, ()) = tokio::join!(reader.handle.report(user), async {
            sleep(Duration::from_millis(folded_after as u64)).await;
            world.documents.replace(&world.marks.truth(user)).await.unwrap();
        });
        assert_eq!(*seen.unwrap().unwrap(), world.marks.truth(user).facts());
        assert!(began.elapsed() <= Duration::from_millis(seen_after), "{:?}", began.elapsed());
        assert_eq!(world.marks.histories_read(), 0, "nothing was counted from the marks");
    }
    // Where nobody folds it is counted from the marks.
    world.marks.mark(user, 1, world.now());
    let seen = reader.handle.report(user).await.unwrap().unwrap();
    assert_eq!(*seen, world.marks.truth(user).facts());
    assert_eq!(world.marks.histories_read(), 1);
}

#[actix::test]
async fn a_reader_does_not_wait_for_a_store_that_is_away() {
    let world = World::new();
    let reader = world.replica_that_folds_nothing();
    let user = user_of(4);
    world.marks.mark(user, 1, world.now());
    world.documents.set_failing(true);
    let began = Instant::now();
    let seen = reader.handle.report(user).await.unwrap().unwrap();
    assert_eq!(*seen, world.marks.truth(user).facts());
    assert!(began.elapsed() <= Duration::from_millis(5), "{:?}", began.elapsed());
}

#[actix::test]
async fn whoever_is_gone_goes_from_the_reports_and_from_the_bus() {
    let world = World::new();
    let only = world.sole_replica();
    let (gone, unknown) = (user_of(3), user_of(4));
    world.mark(gone, 1);
    world.settled(&[gone], 1).await;
    world.bus.fail_erasing(2);
    world.bus.put(world.marks.erase(gone, world.now()));
    // One of whom no report was ever made.
    world.bus.put(world.marks.erase(unknown, world.now()));
    let erased = || world.bus.erased().into_iter().collect::<BTreeSet<_>>();
    world.until("both are erased", 5, || erased() == BTreeSet::from([gone, unknown])).await;
    assert_eq!(world.documents.projection(gone).await.unwrap(), None);
    world.until("everything is acknowledged", 1, || world.bus.left() == 0).await;
    assert_eq!(only.handle.status().poisoned, 0);
}

#[actix::test]
async fn whoever_is_gone_goes_though_the_event_was_lost() {
    let world = World::new();
    let user = user_of(3);
    let _only = world.sole_replica();
    world.mark(user, 1);
    world.settled(&[user], 1).await;
    sleep(Duration::from_secs(300)).await;
    drop(world.marks.erase(user, world.now()));
    sleep(Duration::from_secs(25)).await;
    assert!(world.documents.projection(user).await.unwrap().is_some(), "it is in flight");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.documents.projection(user).await.unwrap(), None);
}
