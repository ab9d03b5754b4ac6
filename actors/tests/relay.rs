//! RelayActor on several replicas: one of them publishes, and it is one that can.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Arbiter;
use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, pause, sleep},
};
use watchme_actors::{
    domain::{EventId, Timestamp, UserId},
    ports::{
        Backlog, BusError, BusMessage, Consumer, EventBus, Lease, Outbox, OutboxRow, ProcessLeases,
        SoleProcess, StoreError,
    },
    relay::{LEASE_NAME, RelayHandle, RelayPorts},
    testing::fakes::{DrivenClock, MemoryLease},
};

/// Rows of a store that other processes write to: nobody is told of their commits.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    waiting: Vec<OutboxRow>,
    published: usize,
    looks: usize,
}

impl Rows {
    fn commit(&self) {
        let mut state = self.0.lock().unwrap();
        let id = i64::try_from(state.waiting.len() + state.published).unwrap();
        state.waiting.push(OutboxRow {
            id,
            event_id: EventId::generate(),
            user_id: UserId::generate(),
            kind: "marked".to_owned(),
            payload: "{}".to_owned(),
            at: Timestamp::EPOCH,
            times_published: 0,
            traceparent: None,
        });
    }

    fn published(&self) -> usize {
        self.0.lock().unwrap().published
    }

    fn looks(&self) -> usize {
        self.0.lock().unwrap().looks
    }

    async fn until_published(&self, count: usize) -> Duration {
        let began = Instant::now();
        while self.published() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is published");
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

#[async_trait]
impl Outbox for Rows {
    fn committed(&self) -> Arc<Notify> {
        Arc::default()
    }

    async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let mut state = self.0.lock().unwrap();
        state.looks += 1;
        Ok(state.waiting.iter().take(limit as usize).cloned().collect())
    }

    async fn mark_published(&self, ids: &[i64], _: Timestamp) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        state.waiting.retain(|row| !ids.contains(&row.id));
        state.published += ids.len();
        Ok(())
    }

    async fn bury(&self, _: EventId, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn republish(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        Ok(Backlog::default())
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// A replica's own connection to the bus.
#[derive(Clone, Default)]
struct Connection {
    lost: Arc<AtomicBool>,
}

impl Connection {
    fn set_lost(&self, lost: bool) {
        self.lost.store(lost, Ordering::Relaxed);
    }
}

#[async_trait]
impl EventBus for Connection {
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        let lost = self.lost.load(Ordering::Relaxed);
        let answer = |_| if lost { Err(BusError::Unavailable("lost".into())) } else { Ok(()) };
        messages.into_iter().map(answer).collect()
    }

    async fn consume(&self, _: u8) -> Result<Box<dyn Consumer>, BusError> {
        Err(BusError::Closed)
    }

    async fn bury(&self, _: &BusMessage, _: &str) -> Result<(), BusError> {
        Ok(())
    }

    async fn erase(&self, _: UserId) -> Result<(), BusError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn close(&self) {}
}

fn start(rows: &Rows, lease: Arc<dyn Lease>) -> (Connection, RelayHandle) {
    let connection = Connection::default();
    let ports = RelayPorts {
        outbox: Arc::new(rows.clone()),
        bus: Arc::new(connection.clone()),
        leases: ProcessLeases::new(lease),
        clock: Arc::new(DrivenClock::default()),
    };
    (connection, RelayHandle::start(&Arbiter::current(), ports))
}

#[actix::test]
async fn what_others_commit_is_published_within_a_fifth_of_a_second() {
    pause();
    let rows = Rows::default();
    let _relay = start(&rows, Arc::new(MemoryLease::new()));
    for count in 1..=5 {
        sleep(Duration::from_millis(1_010 + 37 * count as u64)).await;
        rows.commit();
        let took = rows.until_published(count).await;
        assert!(took <= Duration::from_millis(210), "{took:?}");
    }
}

#[actix::test]
async fn a_process_that_is_alone_is_told_and_looks_only_now_and_then() {
    pause();
    let rows = Rows::default();
    let _relay = start(&rows, Arc::new(SoleProcess));
    sleep(Duration::from_secs(30)).await;
    assert!((25..=35).contains(&rows.looks()), "{}", rows.looks());
}

#[actix::test]
async fn a_relay_that_cannot_reach_the_bus_leaves_relaying_to_others() {
    pause();
    let (rows, lease) = (Rows::default(), MemoryLease::new());
    let (connection, first) = start(&rows, Arc::new(lease.clone()));
    sleep(Duration::from_secs(1)).await;
    let (_, second) = start(&rows, Arc::new(lease.clone()));
    sleep(Duration::from_secs(1)).await;
    connection.set_lost(true);
    rows.commit();
    let took = rows.until_published(1).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!((first.status().published, second.status().published), (0, 1));
    // Whoever has it now keeps it.
    connection.set_lost(false);
    for count in 2..=20 {
        rows.commit();
        let took = rows.until_published(count).await;
        assert!(took <= Duration::from_millis(210), "{took:?}");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((first.status().published, second.status().published), (0, 20));
}

#[actix::test]
async fn a_lease_that_was_left_to_others_is_taken_again_where_nobody_wants_it() {
    pause();
    let (rows, lease) = (Rows::default(), MemoryLease::new());
    let (connection, only) = start(&rows, Arc::new(lease.clone()));
    sleep(Duration::from_secs(1)).await;
    connection.set_lost(true);
    rows.commit();
    let began = Instant::now();
    while lease.holder(LEASE_NAME).is_some() {
        assert!(began.elapsed() < Duration::from_secs(2), "it is kept");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(only.status().failures >= 3, "not after the first refusal");
    // The others ask every second.
    let left = Instant::now();
    while left.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(lease.holder(LEASE_NAME), None, "{:?}", left.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    connection.set_lost(false);
    let took = rows.until_published(1).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
}
