//! Several replicas in one test: stores, leases and a bus in memory that all of them share, on
//! tokio's clock, which stands still until everybody waits.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::{
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use actix::Arbiter;
use async_trait::async_trait;
use tokio::{
    sync::watch,
    time::{Instant, pause, sleep},
};
use uuid::Uuid;
use watchme_actors::{
    domain::{PARTITIONS, Timestamp, UserId},
    ports::{
        BusError, BusMessage, Clock, Consumer, Delivery, EventBus, Lease, LeaseOwner,
        ProcessLeases, Reports, SoleProcess, StoreError,
    },
    report::{ReportHandle, ReportPorts},
    testing::fakes::{DrivenClock, MemoryBus, MemoryDocuments, MemoryLease, ScriptedMarks},
    trending::Tally,
};

pub(crate) struct World {
    pub(crate) bus: MemoryBus,
    pub(crate) marks: ScriptedMarks,
    pub(crate) documents: MemoryDocuments,
    pub(crate) lease: MemoryLease,
    clock: DrivenClock,
}

/// A replica as seen from outside: it can be killed, or cut off.
pub(crate) struct Replica {
    pub(crate) handle: ReportHandle,
    pub(crate) tally: Tally,
    fate: watch::Sender<Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Alive,
    /// Nothing it does reaches anything any more.
    Dead,
    CutOff,
}

impl World {
    pub(crate) fn new() -> Self {
        pause();
        Self::while_time_stands_still()
    }

    /// In a test that has stopped the clock already.
    pub(crate) fn while_time_stands_still() -> Self {
        Self {
            bus: MemoryBus::new(),
            marks: ScriptedMarks::new(),
            documents: MemoryDocuments::new(),
            lease: MemoryLease::new(),
            clock: DrivenClock::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A replica among others.
    pub(crate) fn replica(&self) -> Replica {
        let fate = watch::Sender::new(Fate::Alive);
        let lease = MortalLease { lease: self.lease.clone(), fate: fate.subscribe() };
        self.start(Arc::new(lease), fate)
    }

    /// One that is known to be the only one.
    pub(crate) fn sole_replica(&self) -> Replica {
        self.start(Arc::new(SoleProcess), watch::Sender::new(Fate::Alive))
    }

    /// One that finds every partition taken.
    pub(crate) fn replica_that_folds_nothing(&self) -> Replica {
        for partition in 0..PARTITIONS {
            self.lease.seize(&format!("report-{partition}"));
        }
        self.lease.seize("report-reconciler");
        self.replica()
    }

    fn start(&self, lease: Arc<dyn Lease>, fate: watch::Sender<Fate>) -> Replica {
        let tally = Tally::default();
        let ports = ReportPorts {
            reports: Arc::new(self.documents.clone()),
            watch_log: Arc::new(self.marks.clone()),
            bus: Arc::new(MortalBus { bus: self.bus.clone(), fate: fate.subscribe() }),
            sync_log: Arc::new(self.documents.clone()),
            leases: ProcessLeases::new(lease),
            tally: tally.clone(),
            clock: Arc::new(self.clock),
        };
        Replica { handle: ReportHandle::start(&Arbiter::current(), ports), tally, fate }
    }

    /// Marks a movie, and tells of it.
    pub(crate) fn mark(&self, user: UserId, movie: i64) {
        self.bus.put(self.marks.mark(user, movie, self.now()));
    }

    /// Waits until the reports equal the marks.
    pub(crate) async fn settled(&self, users: &[UserId], seconds: u64) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        for user in users {
            loop {
                let stored = self.documents.projection(*user).await.unwrap();
                if stored.as_ref() == Some(&self.marks.truth(*user)) {
                    break;
                }
                assert!(Instant::now() < deadline, "{user}: {stored:?}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits for a condition, so many seconds at most.
    pub(crate) async fn until(&self, what: &str, seconds: u64, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !condition() {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Replica {
    /// How many partitions it folds.
    pub(crate) fn held(&self) -> usize {
        self.handle.status().partitions
    }

    pub(crate) fn kill(&self) {
        self.fate.send_replace(Fate::Dead);
    }

    pub(crate) fn cut_off_from_the_bus(&self) {
        self.fate.send_replace(Fate::CutOff);
    }
}

/// A new user of a partition.
pub(crate) fn user_of(partition: u8) -> UserId {
    let mut bytes = *Uuid::now_v7().as_bytes();
    bytes[15] = bytes[15] & !7 | partition;
    UserId::from(Uuid::from_bytes(bytes))
}

struct MortalLease {
    lease: MemoryLease,
    fate: watch::Receiver<Fate>,
}

#[async_trait]
impl Lease for MortalLease {
    async fn acquire(
        &self,
        name: &str,
        owner: LeaseOwner,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        if *self.fate.borrow() == Fate::Dead {
            pending::<()>().await;
        }
        self.lease.acquire(name, owner, ttl).await
    }

    async fn release(&self, name: &str, owner: LeaseOwner) -> Result<(), StoreError> {
        if *self.fate.borrow() == Fate::Dead {
            pending::<()>().await;
        }
        self.lease.release(name, owner).await
    }
}

struct MortalBus {
    bus: MemoryBus,
    fate: watch::Receiver<Fate>,
}

/// What a replica's fate leaves of something that takes time.
async fn unless<T>(
    fate: &mut watch::Receiver<Fate>,
    work: impl Future<Output = Result<T, BusError>>,
) -> Option<Result<T, BusError>> {
    let ended = tokio::select! {
        biased;
        fate = fate.wait_for(|fate| *fate != Fate::Alive) => *fate.expect("the replica is there"),
        outcome = work => return Some(outcome),
    };
    (ended == Fate::CutOff).then(|| Err(BusError::Unavailable("cut off".to_owned())))
}

#[async_trait]
impl EventBus for MortalBus {
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        self.bus.publish(messages).await
    }

    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError> {
        let mut fate = self.fate.clone();
        match unless(&mut fate, self.bus.consume(partition)).await {
            Some(consumer) => Ok(Box::new(MortalConsumer { consumer: Some(consumer?), fate })),
            None => pending().await,
        }
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError> {
        self.bus.bury(message, reason).await
    }

    async fn erase(&self, user: UserId) -> Result<(), BusError> {
        self.bus.erase(user).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.bus.check().await
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}

struct MortalConsumer {
    /// Gone with the connection of a process that died.
    consumer: Option<Box<dyn Consumer>>,
    fate: watch::Receiver<Fate>,
}

#[async_trait]
impl Consumer for MortalConsumer {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        if let Some(consumer) = &mut self.consumer
            && let Some(outcome) = unless(&mut self.fate, consumer.next(max)).await
        {
            return outcome;
        }
        self.consumer = None;
        pending().await
    }
}
