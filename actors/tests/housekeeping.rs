//! HousekeepingActor: what has expired is deleted every hour, by one replica.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use actix::Arbiter;
use tokio::time::{pause, sleep};
use watchme_actors::{
    housekeeping::{HousekeepingHandle, HousekeepingPorts, HousekeepingSettings},
    ports::{Clock, ProcessLeases},
    supervision::InjectPanic,
    testing::fakes::{DrivenClock, MemoryLease, ScriptedHousekeeping},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Default)]
struct World {
    store: ScriptedHousekeeping,
    lease: MemoryLease,
    clock: DrivenClock,
}

impl World {
    fn new() -> Self {
        pause();
        Self::default()
    }

    fn replica(&self) -> HousekeepingHandle {
        let ports = HousekeepingPorts {
            store: Arc::new(self.store.clone()),
            leases: ProcessLeases::new(Arc::new(self.lease.clone())),
            clock: Arc::new(self.clock),
        };
        let settings = HousekeepingSettings { audit_retention: 30 * DAY };
        HousekeepingHandle::start(&Arbiter::current(), ports, settings)
    }
}

#[actix::test]
async fn what_has_expired_goes_batch_by_batch_every_hour() {
    let world = World::new();
    let replica = world.replica();
    world.store.expire(3);
    sleep(2 * MINUTE).await;
    assert_eq!(replica.status().swept.sessions, 300);
    // The last one found nothing.
    assert_eq!(world.store.sweeps().len(), 4);

    world.store.expire(1);
    sleep(HOUR / 2).await;
    assert_eq!(replica.status().swept.sessions, 300);
    sleep(HOUR / 2).await;
    assert_eq!((replica.status().swept.sessions, replica.status().failures), (400, 0));
    let last = *world.store.sweeps().last().unwrap();
    assert_eq!(last.audit_before, last.now.before(30 * DAY));
    assert_eq!(last.mails_before, last.now.before(7 * DAY));
    assert!(world.clock.now().since(last.now) <= 2 * MINUTE);
}

#[actix::test]
async fn one_replica_does_it() {
    let world = World::new();
    let replica = world.replica();
    world.store.expire(1);
    world.lease.seize("housekeeping");
    sleep(2 * HOUR).await;
    assert_eq!(world.store.sweeps().len(), 0);
    world.lease.give_back("housekeeping");
    sleep(HOUR).await;
    assert_eq!(replica.status().swept.sessions, 100);
    assert_eq!(world.lease.holder("housekeeping"), None, "it is given back at once");
}

#[actix::test]
async fn a_store_that_fails_is_asked_again_at_the_next_hour() {
    let world = World::new();
    let replica = world.replica();
    world.store.expire(1);
    world.store.set_failing(true);
    sleep(2 * MINUTE).await;
    assert_eq!((replica.status().failures, replica.status().swept.total()), (1, 0));
    world.store.set_failing(false);
    sleep(HOUR).await;
    assert_eq!((replica.status().failures, replica.status().swept.total()), (1, 100));
}

#[actix::test]
async fn it_goes_on_after_panics() {
    let world = World::new();
    let replica = world.replica();
    for (round, panic) in [InjectPanic::InFuture, InjectPanic::InHandler].into_iter().enumerate() {
        replica.inject(panic).await.unwrap_err();
        world.store.expire(1);
        sleep(HOUR + 2 * MINUTE).await;
        assert_eq!(replica.status().swept.sessions, 100 * (round as u64 + 1));
        assert!(replica.health().alive);
    }
}
