//! A bus in memory that keeps what it was given, as a stream does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    domain::{PARTITIONS, UserId, partition_of},
    ports::{Acknowledge, BusError, BusMessage, Consumer, Delivery, EventBus},
};

/// Keeps every message until it is acknowledged; clones share it. Any number of consumers may
/// reach for one partition, as on a real bus: that there is one at a time is for others to see to.
#[derive(Clone)]
pub struct MemoryBus(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    partitions: BTreeMap<u8, Partition>,
    buried: Vec<(BusMessage, String)>,
    erased: Vec<UserId>,
    erasures_to_fail: u32,
    failing: bool,
    closed: bool,
}

#[derive(Default)]
struct Partition {
    next_place: u64,
    waiting: BTreeMap<u64, BusMessage>,
    unacknowledged: u64,
    consumers: usize,
    most_consumers: usize,
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBus {
    /// An empty bus.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::default(), changed: watch::Sender::new(()) };
        Self(Arc::new(shared))
    }

    /// Puts a message on its partition.
    pub fn put(&self, message: BusMessage) {
        let mut state = self.lock();
        let partition = state.partitions.entry(partition_of(message.user_id)).or_default();
        partition.waiting.insert(partition.next_place, message);
        partition.next_place += 1;
        drop(state);
        self.0.changed.send_replace(());
    }

    /// From now on consumers cannot be had and give nothing, or can.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
        self.0.changed.send_replace(());
    }

    /// What was put aside, with the reasons, in order.
    #[must_use]
    pub fn buried(&self) -> Vec<(BusMessage, String)> {
        self.lock().buried.clone()
    }

    /// Whose messages were to be erased, in order.
    #[must_use]
    pub fn erased(&self) -> Vec<UserId> {
        self.lock().erased.clone()
    }

    /// The next `calls` erasures fail.
    pub fn fail_erasing(&self, calls: u32) {
        self.lock().erasures_to_fail = calls;
    }

    /// Messages that nobody has acknowledged.
    #[must_use]
    pub fn left(&self) -> u64 {
        let state = self.lock();
        let left =
            |partition: &Partition| partition.waiting.len() as u64 + partition.unacknowledged;
        state.partitions.values().map(left).sum()
    }

    /// How many consume a partition now, and the most that ever did at once.
    #[must_use]
    pub fn consumers(&self, partition: u8) -> (usize, usize) {
        let found = |it: &Partition| (it.consumers, it.most_consumers);
        self.lock().partitions.get(&partition).map_or((0, 0), found)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panics while it holds this lock")
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, messages: Vec<BusMessage>) -> Vec<Result<(), BusError>> {
        messages.into_iter().map(|message| self.put(message)).map(Ok).collect()
    }

    async fn consume(&self, partition: u8) -> Result<Box<dyn Consumer>, BusError> {
        if partition >= PARTITIONS {
            return Err(BusError::Unavailable(format!("there is no partition {partition}")));
        }
        let mut state = self.lock();
        if state.failing {
            return Err(BusError::Unavailable("told to fail".to_owned()));
        }
        let found = state.partitions.entry(partition).or_default();
        found.consumers += 1;
        found.most_consumers = found.most_consumers.max(found.consumers);
        Ok(Box::new(MemoryConsumer { bus: self.clone(), partition }))
    }

    async fn bury(&self, message: &BusMessage, reason: &str) -> Result<(), BusError> {
        self.lock().buried.push((message.clone(), reason.to_owned()));
        Ok(())
    }

    async fn erase(&self, user: UserId) -> Result<(), BusError> {
        let mut state = self.lock();
        if state.erasures_to_fail > 0 {
            state.erasures_to_fail -= 1;
            return Err(BusError::Unavailable("told to fail".to_owned()));
        }
        state.erased.push(user);
        Ok(())
    }

    async fn check(&self) -> Result<(), BusError> {
        if self.lock().closed { Err(BusError::Closed) } else { Ok(()) }
    }

    async fn close(&self) {
        self.lock().closed = true;
        self.0.changed.send_replace(());
    }
}

struct MemoryConsumer {
    bus: MemoryBus,
    partition: u8,
}

impl MemoryConsumer {
    fn take(&self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut state = self.bus.lock();
        if state.closed {
            return Err(BusError::Closed);
        }
        if state.failing {
            return Err(BusError::Unavailable("told to fail".to_owned()));
        }
        let partition = state.partitions.entry(self.partition).or_default();
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some((place, message)) = partition.waiting.pop_first()
        {
            partition.unacknowledged += 1;
            let kept = Some(message.clone());
            let receipt = Receipt { bus: self.bus.clone(), partition: self.partition, place, kept };
            taken.push(Delivery { message, answer: Box::new(receipt) });
        }
        Ok(taken)
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        if let Some(partition) = self.bus.lock().partitions.get_mut(&self.partition) {
            partition.consumers -= 1;
        }
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut changed = self.bus.0.changed.subscribe();
        loop {
            let taken = self.take(max)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            // The sender lives in the bus that this consumer holds.
            let _ = changed.changed().await;
        }
    }
}

struct Receipt {
    bus: MemoryBus,
    partition: u8,
    place: u64,
    /// Until it is acknowledged.
    kept: Option<BusMessage>,
}

#[async_trait]
impl Acknowledge for Receipt {
    async fn acknowledge(mut self: Box<Self>) -> Result<(), BusError> {
        self.kept = None;
        Ok(())
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let mut state = self.bus.lock();
        if let Some(partition) = state.partitions.get_mut(&self.partition) {
            partition.unacknowledged -= 1;
            if let Some(message) = self.kept.take() {
                partition.waiting.insert(self.place, message);
            }
        }
        drop(state);
        self.bus.0.changed.send_replace(());
    }
}
