//! From a mark to a report, over real stores and a real bus: whatever is lost, repeated, broken or
//! restarted on the way, the report equals the marks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod commands;
mod damage;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::time::Duration;

use watchme_actors::{
    domain::{EventId, Projection, UserId},
    ports::{Accounts, Clock, Outbox},
    supervision::InjectPanic,
};
use world::{World, eventually};

#[actix_web::test]
async fn marks_become_reports_and_readers_see_their_own_writes() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    let seen = running.handles.reports.report(user).await.unwrap().unwrap();
    assert_eq!(*seen, Projection::empty(user).facts());
    for number in 1..=30 {
        world.mark(user, number).await;
        let seen = running.handles.reports.report(user).await.unwrap().unwrap();
        assert_eq!(*seen, world.truth(user).await.facts(), "after mark {number}");
    }
    for number in 1..=10 {
        world.unmark(user, number).await;
        let seen = running.handles.reports.report(user).await.unwrap().unwrap();
        assert_eq!(*seen, world.truth(user).await.facts(), "after unmarking {number}");
    }
    world.settled(user).await;
    assert_eq!(running.handles.reports.report(UserId::generate()).await.unwrap(), None);
    let backlog = running.handles.relay.backlog().await.unwrap();
    eventually("the outbox is empty", || async {
        running.handles.relay.backlog().await.unwrap().events == 0
    })
    .await;
    assert!(backlog.events <= 40);
    let status = running.handles.reports.status();
    assert_eq!((status.applied, status.gaps, status.poisoned), (40, 0, 0));
    running.stop().await;
}

#[actix_web::test]
async fn what_was_committed_while_nothing_ran_is_folded_at_the_next_start() {
    let world = World::new().await;
    let user = world.user().await;
    for number in 1..=300 {
        world.mark(user, number).await;
    }
    let running = world.start().await;
    world.settled(user).await;
    let applied = || running.handles.reports.status().applied;
    eventually("all are counted", async || applied() >= 300).await;
    assert_eq!(applied(), 300);
    running.stop().await;
}

#[actix_web::test]
async fn events_that_come_again_in_any_order_change_nothing() {
    let world = World::new().await;
    let running = world.start().await;
    let users = [world.user().await, world.user().await];
    for number in 1..=20 {
        for user in users {
            world.mark(user, number).await;
        }
    }
    for user in users {
        world.settled(user).await;
    }
    for turn in 0..3 {
        world.deliver_again(turn).await;
        running.handles.relay.inject(InjectPanic::InFuture).await.unwrap_err();
        eventually("the outbox is empty", || async {
            running.handles.relay.backlog().await.unwrap().events == 0
        })
        .await;
        let again = || running.handles.reports.status().duplicates;
        eventually("they came again", || async { again() >= (turn + 1) * 40 }).await;
        for user in users {
            let stored = world.reports.projection(user).await.unwrap().unwrap();
            assert_eq!(stored, world.truth(user).await);
        }
    }
    let status = running.handles.reports.status();
    assert_eq!(status.applied, 40);
    running.stop().await;
}

#[actix_web::test]
async fn a_lost_event_is_made_good_when_the_next_one_comes() {
    let world = World::new().await;
    let user = world.user().await;
    for number in 1..=5 {
        world.mark(user, number).await;
    }
    world.damage("DELETE FROM outbox WHERE id IN (2, 3)").await;
    let running = world.start().await;
    world.settled(user).await;
    // Counted once it is written, which is seen before.
    let counted = async || {
        let status = running.handles.reports.status();
        status.gaps >= 1 && status.rebuilt >= 1
    };
    eventually("the gap and the rebuilding are counted", counted).await;
    running.stop().await;
}

#[actix_web::test]
async fn a_lost_last_event_is_found_by_the_reconciler_and_never_missed_by_the_reader() {
    let world = World::new().await;
    let user = world.user().await;
    world.mark(user, 1).await;
    world.damage("DELETE FROM outbox").await;
    let running = world.start().await;
    let seen = running.handles.reports.report(user).await.unwrap().unwrap();
    assert_eq!(*seen, world.truth(user).await.facts(), "the reader is given the marks themselves");
    assert_eq!(world.reports.projection(user).await.unwrap(), None);
    running.stop().await;

    world.clock.advance(Duration::from_secs(60));
    let running = world.start().await;
    world.settled(user).await;
    running.stop().await;
}

#[actix_web::test]
async fn reports_come_back_after_the_loss_of_their_store() {
    let world = World::new().await;
    let running = world.start().await;
    let users = [world.user().await, world.user().await];
    for user in users {
        world.mark(user, 1).await;
        world.settled(user).await;
    }
    running.stop().await;
    world.lose_reports().await;
    world.lose_sync_records().await;
    world.clock.advance(Duration::from_secs(60));
    let running = world.start().await;
    for user in users {
        world.settled(user).await;
    }
    running.stop().await;
}

#[actix_web::test]
async fn poison_is_put_aside_with_its_reason_and_the_rest_goes_on() {
    let world = World::new().await;
    let (first, second) = (world.user().await, world.user().await);
    for number in 1..=3 {
        world.mark(first, number).await;
        world.mark(second, number).await;
    }
    world.damage("UPDATE outbox SET payload = '{\"half' WHERE id = 1").await;
    world
        .damage("UPDATE outbox SET payload = replace(payload, 'marked', 'liked') WHERE id = 4")
        .await;
    let running = world.start().await;
    for user in [first, second] {
        world.settled(user).await;
    }
    eventually("both are put aside", || async { running.dead_letters().await.len() == 2 }).await;
    assert!(running.dead_letters().await.iter().all(|letter| letter.reason.len() > 10));
    // Counted once they are, and taken from the outbox after that.
    let counted = async || running.handles.reports.status().poisoned >= 2;
    eventually("both are counted", counted).await;
    eventually("the outbox is empty", || async { world.sql.backlog().await.unwrap().events == 0 })
        .await;
    assert_eq!(running.handles.reports.status().poisoned, 2);
    running.stop().await;
}

#[actix_web::test]
async fn nothing_of_an_account_that_is_gone_comes_back() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    world.mark(user, 1).await;
    world.settled(user).await;
    let mut hand = world.stores.hand().await;
    let payload: String =
        sqlx::query_scalar("SELECT payload FROM outbox").fetch_one(&mut hand).await.unwrap();
    Accounts::delete(&world.sql, user, world.clock.now()).await.unwrap();
    eventually("the report is erased", || async {
        world.reports.projection(user).await.unwrap().is_none()
    })
    .await;
    // Its first event, late; for the bus it is another one.
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, kind, payload, created_at) VALUES (?, ?, 'marked', ?, 0)",
    )
    .bind(EventId::generate().to_string())
    .bind(user.to_string())
    .bind(payload)
    .execute(&mut hand)
    .await
    .unwrap();
    world.sql.committed().notify_one();
    eventually("the late event is dealt with", || async {
        world.sql.backlog().await.unwrap().events == 0
    })
    .await;
    assert_eq!(world.reports.projection(user).await.unwrap(), None);
    assert_eq!(running.handles.reports.report(user).await.unwrap(), None);
    running.stop().await;
}

#[actix_web::test]
async fn the_report_of_an_account_that_is_gone_goes_though_its_last_event_was_lost() {
    let world = World::new().await;
    let running = world.start().await;
    let (gone, other) = (world.user().await, world.user().await);
    for user in [gone, other] {
        world.mark(user, 1).await;
        world.settled(user).await;
    }
    running.stop().await;
    Accounts::delete(&world.sql, gone, world.clock.now()).await.unwrap();
    // Published, and lost with the stream before anybody folded it.
    let waiting = world.sql.unpublished(10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    world.sql.mark_published(&[waiting[0].id], world.clock.now()).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let running = world.start().await;
    eventually("the report is erased", || async {
        world.reports.projection(gone).await.unwrap().is_none()
    })
    .await;
    world.settled(other).await;
    assert_eq!(running.handles.reports.status().applied, 0, "it was the reconciler");
    running.stop().await;
}

#[actix_web::test]
async fn a_report_that_cannot_be_read_is_rebuilt() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    world.mark(user, 1).await;
    world.settled(user).await;
    world.garble_reports().await;
    assert_eq!(
        *running.handles.reports.report(user).await.unwrap().unwrap(),
        world.truth(user).await.facts()
    );
    world.mark(user, 2).await;
    world.settled(user).await;
    running.stop().await;
}

#[actix_web::test]
async fn panics_anywhere_on_the_path_lose_nothing_and_double_nothing() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    let mut number = 0;
    for panic in [InjectPanic::InFuture, InjectPanic::InHandler] {
        for _ in 0..3 {
            for _ in 0..10 {
                number += 1;
                world.mark(user, number).await;
            }
            assert!(running.handles.reports.inject(panic).await.is_err());
            assert!(running.handles.relay.inject(panic).await.is_err());
            world.settled(user).await;
            let seen = running.handles.reports.report(user).await.unwrap().unwrap();
            assert_eq!(seen.total_films, number as u64);
        }
    }
    let health = running.handles.reports.health();
    assert!(health.restarts >= 1 && health.rebuilds >= 1, "{health:?}");
    running.stop().await;
}

#[actix_web::test]
async fn without_its_store_a_report_is_counted_from_the_marks() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    world.mark(user, 1).await;
    world.settled(user).await;
    world.stores.documents.close().await;
    world.mark(user, 2).await;
    let seen = running.handles.reports.report(user).await.unwrap().unwrap();
    assert_eq!(*seen, world.truth(user).await.facts());
    running.arbiter.stop();
}

#[actix_web::test]
async fn a_report_ahead_of_marks_that_were_restored_is_counted_anew() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    for number in 1..=3 {
        world.mark(user, number).await;
    }
    world.settled(user).await;
    running.stop().await;
    // The marks as they were after the first.
    for statement in [
        "DELETE FROM marks WHERE marked_seq > 1",
        "DELETE FROM outbox WHERE id > 1",
        "UPDATE users SET watch_seq = 1",
    ] {
        world.damage(statement).await;
    }
    world.clock.advance(Duration::from_secs(60));
    let running = world.start().await;
    let seen = running.handles.reports.report(user).await.unwrap().unwrap();
    assert_eq!((seen.last_seq, seen.total_films), (1, 1));
    world.settled(user).await;
    world.mark(user, 9).await;
    world.settled(user).await;
    running.stop().await;
}

#[actix_web::test]
async fn one_users_unreadable_marks_hold_up_nobody_else() {
    let world = World::new().await;
    let damaged = world.user().await;
    world.mark(damaged, 1).await;
    world.mark(damaged, 2).await;
    // A gap, and nothing to close it with.
    world.damage("DELETE FROM outbox WHERE id = 1").await;
    world.damage("UPDATE marks SET genres = 'no JSON'").await;
    let running = world.start().await;
    // In every partition, that of the damaged user included.
    for _ in 0..24 {
        let user = world.user().await;
        world.mark(user, 1).await;
        world.settled(user).await;
    }
    assert_eq!(running.handles.reports.status().poisoned, 1);
    eventually("the outbox is empty", || async {
        running.handles.relay.backlog().await.unwrap().events == 0
    })
    .await;
    running.stop().await;
}
