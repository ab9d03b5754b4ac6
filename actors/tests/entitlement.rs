//! EntitlementActor: what is published is never older than the last change that was awaited.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use futures_util::future::join_all;
use tokio::time::{pause, sleep};
use watchme_actors::{
    changes::Alone,
    domain::{EntitlementMode, Timestamp, UserId},
    entitlement::{EntitlementHandle, EntitlementPorts, EntitlementSettings},
    ports::Clock,
    testing::fakes::{DrivenClock, ScriptedHoldings},
};

const MAX_AGE: Duration = Duration::from_secs(30);
const MAX_AGE_ALONE: Duration = Duration::from_secs(2);

struct Setup {
    held: ScriptedHoldings,
    clock: DrivenClock,
    entitlements: EntitlementHandle,
    user: UserId,
}

fn setup() -> Setup {
    setup_with(Alone::never())
}

fn setup_with(alone: Alone) -> Setup {
    pause();
    let held = ScriptedHoldings::new();
    let clock = DrivenClock::default();
    let ports = EntitlementPorts {
        packages: Arc::new(held.clone()),
        subscriptions: Arc::new(held.clone()),
        alone,
        clock: Arc::new(clock),
    };
    let settings = EntitlementSettings {
        mode: EntitlementMode::Any,
        max_age: MAX_AGE,
        max_age_alone: MAX_AGE_ALONE,
    };
    let entitlements = EntitlementHandle::start(&Arbiter::current(), ports, settings);
    Setup { held, clock, entitlements, user: UserId::generate() }
}

impl Setup {
    async fn genres(&self) -> Vec<u32> {
        let entry = self.entitlements.of(self.user).await.unwrap();
        entry.entitlement.genres.iter().map(|id| id.get()).collect()
    }
}

#[actix::test]
async fn the_union_of_active_subscriptions_is_read_once() {
    let setup = setup();
    setup.held.give(setup.user, &[1, 2], Timestamp::EPOCH, None);
    setup.held.give(setup.user, &[2, 3], Timestamp::EPOCH, None);
    setup.held.give(setup.user, &[9], Timestamp::EPOCH, Some(setup.clock.now()));
    assert_eq!(setup.genres().await, [1, 2, 3], "what has ended does not count");
    assert_eq!(setup.genres().await, [1, 2, 3]);
    assert_eq!(setup.held.reads(), 1);
}

#[actix::test]
async fn a_miss_is_read_once_however_many_wait() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.held.set_delay(Duration::from_millis(50));
    let all = join_all((0..50).map(|_| setup.genres())).await;
    assert!(all.iter().all(|genres| genres == &[1]));
    assert_eq!(setup.held.reads(), 1);
}

#[actix::test]
async fn versions_are_read_once_for_everybody() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.genres().await;
    setup.entitlements.forget_user(setup.user).await;
    setup.genres().await;
    assert_eq!((setup.held.reads(), setup.held.version_reads()), (2, 1));
}

#[actix::test]
async fn a_read_that_began_before_a_change_is_thrown_away() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.held.set_delay(Duration::from_millis(50));
    let entitlements = setup.entitlements.clone();
    let user = setup.user;
    let early = actix::spawn(async move { entitlements.of(user).await.unwrap() });
    sleep(Duration::from_millis(10)).await;
    // The read has seen the subscription; now it goes, and the writer awaits the forgetting.
    setup.held.take_all(setup.user);
    setup.entitlements.forget_user(setup.user).await;
    assert_eq!(setup.genres().await, Vec::<u32>::new());
    assert!(early.await.unwrap().entitlement.genres.is_empty(), "even for who asked before");
    assert_eq!(setup.genres().await, Vec::<u32>::new());
}

#[actix::test]
async fn an_entry_ends_when_a_subscription_begins_or_ends() {
    let setup = setup();
    let now = setup.clock.now();
    let soon = Duration::from_secs(10);
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, Some(now.after(soon)));
    setup.held.give(setup.user, &[2], now.after(soon * 2), None);
    assert_eq!(setup.genres().await, [1]);
    sleep(soon).await;
    assert_eq!(setup.genres().await, Vec::<u32>::new());
    sleep(soon).await;
    assert_eq!(setup.genres().await, [2]);
}

#[actix::test]
async fn an_entry_is_read_again_at_its_age_limit() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.genres().await;
    setup.held.take_all(setup.user);
    sleep(MAX_AGE - Duration::from_millis(10)).await;
    assert_eq!(setup.genres().await, [1], "nobody said that anything had changed");
    sleep(Duration::from_millis(20)).await;
    assert_eq!(setup.genres().await, Vec::<u32>::new());
}

#[actix::test]
async fn forgetting_a_package_forgets_its_holders() {
    let setup = setup();
    let package = setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    let other = UserId::generate();
    setup.held.give(other, &[2], Timestamp::EPOCH, None);
    setup.genres().await;
    setup.entitlements.of(other).await.unwrap();
    setup.held.take_all(setup.user);
    setup.entitlements.forget_package(package).await;
    assert_eq!(setup.genres().await, Vec::<u32>::new());
    setup.entitlements.of(other).await.unwrap();
    assert_eq!(setup.held.reads(), 3, "the other's entry stays");
}

#[actix::test]
async fn a_store_that_fails_is_told_and_nothing_is_remembered() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.held.set_failing(true);
    assert!(setup.entitlements.of(setup.user).await.is_err());
    setup.held.set_failing(false);
    assert_eq!(setup.genres().await, [1]);
}

#[actix::test]
async fn a_panic_while_reading_does_not_stop_the_next_reader() {
    let setup = setup();
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.held.panic_next(1);
    assert!(setup.entitlements.of(setup.user).await.is_err());
    assert_eq!(setup.genres().await, [1]);
    assert_eq!(setup.entitlements.health().restarts, 1);
}

#[actix::test]
async fn an_entitlement_is_trusted_for_a_short_time_where_nobody_tells_of_changes() {
    let setup = setup_with(Alone::always());
    setup.held.give(setup.user, &[1], Timestamp::EPOCH, None);
    setup.genres().await;
    sleep(MAX_AGE_ALONE / 2).await;
    setup.genres().await;
    assert_eq!(setup.held.reads(), 1);
    setup.held.take_all(setup.user);
    sleep(MAX_AGE_ALONE / 2).await;
    assert_eq!(setup.genres().await, [0; 0]);
}
