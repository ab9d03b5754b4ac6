//! MailerActor: each mail is sent, by one replica, however the way out fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
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
    domain::{Email, Letter, Mail, Timestamp, UserId},
    mailer::{LEASE_NAME, MailerHandle, MailerPorts},
    ports::{
        Clock, MailBacklog, MailError, MailQueue, Mailer, ProcessLeases, QueuedMail, StoreError,
        TokenLifetimes,
    },
    supervision::InjectPanic,
    testing::fakes::{DrivenClock, MemoryLease},
};

const LIFETIMES: TokenLifetimes =
    TokenLifetimes { recovery: Duration::from_secs(1), verification: Duration::from_secs(1) };

/// A queue in memory; mails to `nobody@example.com` are written to nobody, those to
/// `unreadable@example.com` cannot be read.
#[derive(Clone, Default)]
struct Queue(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rows: Mutex<BTreeMap<i64, Row>>,
    queued: Arc<Notify>,
}

struct Row {
    to: Email,
    queued: QueuedMail,
    next_at: Timestamp,
}

impl Queue {
    /// As another process does: nobody here is told.
    fn put_unheard(&self, to: &str, now: Timestamp) {
        let mut rows = self.0.rows.lock().unwrap();
        let id = rows.last_key_value().map_or(1, |(id, _)| id + 1);
        let queued = QueuedMail { id, queued_at: now, attempts: 0 };
        rows.insert(id, Row { to: to.parse().unwrap(), queued, next_at: now });
    }

    fn put(&self, to: &str, now: Timestamp) {
        self.put_unheard(to, now);
        self.0.queued.notify_one();
    }

    fn len(&self) -> usize {
        self.0.rows.lock().unwrap().len()
    }

    async fn until_empty(&self) -> Duration {
        let began = Instant::now();
        while self.len() > 0 {
            assert!(began.elapsed() < Duration::from_secs(3_600), "mails stay");
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

#[async_trait]
impl MailQueue for Queue {
    fn queued(&self) -> Arc<Notify> {
        Arc::clone(&self.0.queued)
    }

    async fn ask_recovery(&self, _: &Email, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ask_verification(&self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn due(&self, limit: u32, now: Timestamp) -> Result<Vec<QueuedMail>, StoreError> {
        let rows = self.0.rows.lock().unwrap();
        let due = rows.values().filter(|row| row.next_at <= now).map(|row| row.queued);
        Ok(due.take(limit as usize).collect())
    }

    async fn prepare(
        &self,
        id: i64,
        _: TokenLifetimes,
        _: Timestamp,
    ) -> Result<Option<Mail>, StoreError> {
        let mut rows = self.0.rows.lock().unwrap();
        let Some(row) = rows.get(&id) else { return Ok(None) };
        let to = row.to.clone();
        if to.as_str().starts_with("nobody@") {
            rows.remove(&id);
            return Ok(None);
        }
        if to.as_str().starts_with("unreadable@") {
            return Err(StoreError::Corrupt { store: "sql", reason: "what a mail".to_owned() });
        }
        Ok(Some(Mail { to, name: None, letter: Letter::PasswordChanged }))
    }

    async fn remove(&self, id: i64) -> Result<(), StoreError> {
        self.0.rows.lock().unwrap().remove(&id);
        Ok(())
    }

    async fn put_off(&self, id: i64, until: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.0.rows.lock().unwrap().get_mut(&id) {
            row.queued.attempts += 1;
            row.next_at = until;
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<MailBacklog, StoreError> {
        Ok(MailBacklog { mails: self.len() as u64, oldest: None })
    }
}

/// A way out that notes every attempt.
#[derive(Clone, Default)]
struct Way {
    attempts: Arc<Mutex<Vec<(String, Instant)>>>,
    closed: Arc<AtomicBool>,
    stuck: Arc<AtomicBool>,
}

impl Way {
    fn set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    fn attempts(&self) -> Vec<(String, Instant)> {
        self.attempts.lock().unwrap().clone()
    }
}

#[async_trait]
impl Mailer for Way {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.attempts.lock().unwrap().push((mail.to.to_string(), Instant::now()));
        if self.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match self.closed.load(Ordering::Relaxed) {
            true => Err(MailError("closed".to_owned())),
            false => Ok(()),
        }
    }
}

struct World {
    queue: Queue,
    way: Way,
    lease: MemoryLease,
    clock: DrivenClock,
}

impl World {
    fn new() -> Self {
        pause();
        Self {
            queue: Queue::default(),
            way: Way::default(),
            lease: MemoryLease::new(),
            clock: DrivenClock::default(),
        }
    }

    fn put(&self, to: &str) {
        self.queue.put(to, self.clock.now());
    }

    fn start(&self) -> MailerHandle {
        let ports = MailerPorts {
            queue: Arc::new(self.queue.clone()),
            mailer: Arc::new(self.way.clone()),
            leases: ProcessLeases::new(Arc::new(self.lease.clone())),
            clock: Arc::new(self.clock),
        };
        MailerHandle::start(&Arbiter::current(), ports, LIFETIMES)
    }
}

#[actix::test]
async fn a_mail_is_sent_as_soon_as_it_is_queued() {
    let world = World::new();
    let mailer = world.start();
    sleep(Duration::from_millis(1_500)).await;
    world.put("ada@example.com");
    let took = world.queue.until_empty().await;
    assert!(took <= Duration::from_millis(10), "{took:?}");
    assert_eq!((mailer.status().sent, mailer.status().failing), (1, false));
}

#[actix::test]
async fn what_another_process_queues_is_found_within_a_second() {
    let world = World::new();
    let _mailer = world.start();
    sleep(Duration::from_secs(10)).await;
    world.queue.put_unheard("ada@example.com", world.clock.now());
    let took = world.queue.until_empty().await;
    assert!(took <= Duration::from_millis(1_010), "{took:?}");
}

#[actix::test]
async fn many_mails_are_sent_without_a_pause() {
    let world = World::new();
    for n in 0..100 {
        world.put(&format!("user{n}@example.com"));
    }
    let mailer = world.start();
    let took = world.queue.until_empty().await;
    assert!(took <= Duration::from_millis(50), "{took:?}");
    assert_eq!(mailer.status().sent, 100);
}

#[actix::test]
async fn a_mail_that_fails_is_tried_again_later_and_later() {
    let world = World::new();
    world.way.set_closed(true);
    world.put("ada@example.com");
    let mailer = world.start();
    sleep(Duration::from_secs(4 * 3_600)).await;
    let attempts = world.way.attempts();
    let pauses: Vec<Duration> =
        attempts.windows(2).map(|pair| pair[1].1.duration_since(pair[0].1)).collect();
    // Half of the doubled pause at least, and the second that polling may add.
    let mut whole = Duration::from_secs(2);
    for pause in &pauses {
        assert!(*pause >= whole / 2 && *pause <= whole + Duration::from_secs(2), "{pauses:?}");
        whole = (whole * 2).min(Duration::from_secs(600));
    }
    assert!(pauses.len() > 25, "{pauses:?}");
    assert_eq!(mailer.status().failures, attempts.len() as u64);
    assert!(mailer.status().failing);

    world.way.set_closed(false);
    world.queue.until_empty().await;
    assert_eq!((mailer.status().sent, mailer.status().failing), (1, false));
}

#[actix::test]
async fn a_mail_is_given_up_after_a_day() {
    let world = World::new();
    world.way.set_closed(true);
    world.put("ada@example.com");
    let mailer = world.start();
    sleep(Duration::from_secs(23 * 3_600)).await;
    assert_eq!(world.queue.len(), 1);
    sleep(Duration::from_secs(2 * 3_600)).await;
    assert_eq!(world.queue.len(), 0);
    let last = world.way.attempts().last().unwrap().1;
    assert!(last.elapsed() >= Duration::from_secs(3_600), "{:?}", last.elapsed());
    assert_eq!((mailer.status().given_up, mailer.status().sent), (1, 0));
}

#[actix::test]
async fn one_mail_that_fails_holds_up_no_other() {
    let world = World::new();
    world.way.set_closed(true);
    world.put("ada@example.com");
    let mailer = world.start();
    sleep(Duration::from_secs(600)).await;
    world.way.set_closed(false);
    world.put("bob@example.com");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(mailer.status().sent, 1);
    assert_eq!(world.way.attempts().last().unwrap().0, "bob@example.com");
}

#[actix::test]
async fn mails_that_cannot_be_read_hold_up_no_other() {
    let world = World::new();
    for _ in 0..20 {
        world.put("unreadable@example.com");
    }
    world.put("bob@example.com");
    let mailer = world.start();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(world.way.attempts().len(), 1);
    assert_eq!((mailer.status().sent, mailer.status().failures), (1, 20));
    sleep(Duration::from_secs(600)).await;
    world.put("ada@example.com");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(mailer.status().sent, 2);
    // They may be readable for the version after this one, but not for ever.
    sleep(Duration::from_secs(25 * 3_600)).await;
    assert_eq!((world.queue.len(), mailer.status().given_up), (0, 20));
}

#[actix::test]
async fn a_mail_to_nobody_is_dropped() {
    let world = World::new();
    world.put("nobody@example.com");
    let mailer = world.start();
    world.queue.until_empty().await;
    assert_eq!((mailer.status().dropped, mailer.status().sent), (1, 0));
    assert!(world.way.attempts().is_empty());
}

#[actix::test]
async fn one_replica_sends_and_another_follows_it() {
    let world = World::new();
    let (first, second) = (world.start(), world.start());
    sleep(Duration::from_secs(1)).await;
    for n in 0..20 {
        world.put(&format!("user{n}@example.com"));
        world.queue.until_empty().await;
        sleep(Duration::from_secs(7)).await;
    }
    let mut sent = [first.status().sent, second.status().sent];
    sent.sort_unstable();
    assert_eq!(sent, [0, 20]);
    // Whoever holds the lease is gone for good.
    world.lease.seize(LEASE_NAME);
    sleep(Duration::from_secs(10)).await;
    world.put("ada@example.com");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.queue.len(), 1, "nobody sends without the lease");
    world.lease.give_back(LEASE_NAME);
    let took = world.queue.until_empty().await;
    assert!(took <= Duration::from_secs(6), "{took:?}");
}

#[actix::test]
async fn a_panic_does_not_end_the_sending() {
    let world = World::new();
    let mailer = world.start();
    for panic in [InjectPanic::InFuture, InjectPanic::InHandler] {
        mailer.inject(panic).await.unwrap_err();
        world.put("ada@example.com");
        let took = world.queue.until_empty().await;
        assert!(took < Duration::from_secs(10), "{panic:?}: {took:?}");
    }
}
