//! The change feed of several replicas.
//!
//! In this process changes arrive at once and without NATS. Between replicas they go over a plain
//! subject, which keeps nothing. So every replica sends itself heartbeats: one that comes back
//! shows that changes arrive, and that what was sent before it has reached the server. What was
//! sent and not shown to have arrived is sent again after the connection has come back.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use uuid::Uuid;
use watchme_actors::ports::{Change, ChangeFeed};

use super::{connection::Nats, settings::NatsError, unsent::Unsent};

/// Changes that a slow listener may be behind; beyond that it forgets everything.
const BEHIND: usize = 4_096;
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Without a heartbeat for this long the changes of others do not arrive either.
const SILENCE: Duration = Duration::from_millis(2_500);
/// Changes in one message, so that it stays far below what a server takes.
const TOGETHER: usize = 512;
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// What replicas tell each other.
#[derive(Debug, Serialize, Deserialize)]
struct Announcement {
    replica: Uuid,
    changes: Vec<Change>,
    /// There were more changes than could be kept: whoever hears this has missed some.
    #[serde(default)]
    missed: bool,
}

/// Tells this process at once, and the others by NATS. Clones share everything; with the last one
/// it falls silent.
#[derive(Clone)]
pub struct NatsChanges {
    shared: Arc<Shared>,
    _courier: Arc<Courier>,
}

struct Shared {
    local: broadcast::Sender<Change>,
    connected: watch::Sender<bool>,
    unsent: Mutex<Unsent>,
    more: Notify,
}

struct Courier(JoinHandle<()>);

impl Drop for Courier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NatsChanges {
    /// A feed over a connection, which may not be made yet. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the connection was closed for good.
    pub async fn start(nats: &Nats) -> Result<Self, NatsError> {
        let replica = Uuid::now_v7();
        let subscribe = async |subject: String| {
            let subscriber = nats.client.subscribe(subject).await;
            subscriber.map_err(|error| NatsError::Client(error.to_string()))
        };
        let shared = Arc::new(Shared {
            local: broadcast::Sender::new(BEHIND),
            connected: watch::Sender::new(false),
            unsent: Mutex::default(),
            more: Notify::new(),
        });
        let own = nats.names.heartbeat(&replica.to_string());
        let round = Round {
            changes: subscribe(nats.names.change()).await?,
            heartbeats: subscribe(own.clone()).await?,
            nats: nats.clone(),
            shared: Arc::clone(&shared),
            replica,
            own,
            generation: nats.generation(),
            beat: 0,
            counts_from: 1,
            heard: Instant::now(),
            sent: VecDeque::new(),
        };
        Ok(Self { shared, _courier: Arc::new(Courier(tokio::spawn(round.run()))) })
    }
}

#[async_trait]
impl ChangeFeed for NatsChanges {
    async fn announce(&self, change: Change) {
        // Nobody listening is nothing to tell.
        let _ = self.shared.local.send(change);
        self.shared.unsent().add(change);
        self.shared.more.notify_one();
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.shared.local.subscribe()
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }
}

impl Shared {
    fn unsent(&self) -> std::sync::MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes back and forth between this process and the others.
struct Round {
    nats: Nats,
    shared: Arc<Shared>,
    replica: Uuid,
    changes: Subscriber,
    heartbeats: Subscriber,
    /// Where this replica hears itself.
    own: String,
    generation: u64,
    /// The number of the last heartbeat.
    beat: u64,
    /// Heartbeats before this one say nothing about the connection as it is.
    counts_from: u64,
    /// When one came back last.
    heard: Instant,
    /// What was sent, each with the number of the heartbeat that will show that it has arrived.
    sent: VecDeque<(u64, Unsent)>,
}

impl Round {
    async fn run(mut self) {
        let mut events = self.nats.events();
        let mut tick = interval(BEAT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                _ = tick.tick() => self.beat().await,
                Ok(()) = events.changed() => self.beat().await,
                Some(message) = self.heartbeats.next() => self.hear_itself(&message).await,
                Some(message) = self.changes.next() => self.hear(&message),
                () = shared.more.notified() => self.send().await,
            }
        }
    }

    /// Looks whether something may have been missed, and sends the next heartbeat.
    async fn beat(&mut self) {
        let generation = self.nats.generation();
        let connected = self.nats.is_connected();
        if generation != self.generation || !connected || self.heard.elapsed() > SILENCE {
            self.generation = generation;
            self.lose();
        }
        if connected {
            self.beat += 1;
            self.publish(self.own.clone(), self.beat.to_string().into_bytes()).await;
        }
    }

    /// Changes of others may be missed from now on, and ours may not have arrived.
    fn lose(&mut self) {
        self.counts_from = self.beat + 1;
        let mut unsent = self.shared.unsent();
        for (_, sent) in self.sent.drain(..) {
            unsent.merge(sent);
        }
        drop(unsent);
        self.say_connected(false);
    }

    fn say_connected(&self, connected: bool) {
        self.shared.connected.send_if_modified(|was| {
            let changed = *was != connected;
            *was = connected;
            changed
        });
    }

    async fn hear_itself(&mut self, message: &Message) {
        let number = std::str::from_utf8(&message.payload).ok().and_then(|it| it.parse().ok());
        let Some(number) = number.filter(|number: &u64| *number >= self.counts_from) else {
            return;
        };
        if self.nats.generation() != self.generation {
            // The connection is another one since: the next heartbeat counts.
            return self.beat().await;
        }
        self.heard = Instant::now();
        self.sent.retain(|(shown_by, _)| *shown_by > number);
        self.say_connected(true);
        self.send().await;
    }

    fn hear(&mut self, message: &Message) {
        match serde_json::from_slice::<Announcement>(&message.payload) {
            Ok(announcement) if announcement.replica == self.replica => {}
            Ok(announcement) => {
                for change in announcement.changes {
                    let _ = self.shared.local.send(change);
                }
                if announcement.missed {
                    self.lose();
                }
            }
            Err(error) => {
                // A replica of another version may know of changes that this one does not.
                tracing::warn!(%error, "a change cannot be read; everything remembered is read again");
                self.lose();
            }
        }
    }

    /// Tells the others. While nothing arrives, what there is to tell is kept.
    async fn send(&mut self) {
        if !*self.shared.connected.borrow() {
            return;
        }
        let unsent = self.shared.unsent().take();
        if unsent.is_empty() {
            return;
        }
        let changes: Vec<Change> = unsent.changes().collect();
        let missed = unsent.missed();
        self.sent.push_back((self.beat + 1, unsent));
        let mut parts: Vec<&[Change]> = changes.chunks(TOGETHER).collect();
        if missed {
            parts.push(&[]);
        }
        for part in parts {
            let announcement =
                Announcement { replica: self.replica, changes: part.to_vec(), missed };
            let body = serde_json::to_vec(&announcement).unwrap_or_default();
            self.publish(self.nats.names.change(), body).await;
        }
    }

    async fn publish(&self, subject: String, body: Vec<u8>) {
        let sent = timeout(SEND_WITHIN, self.nats.client.publish(subject, body.into())).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("a change did not go out; it is sent again");
        }
    }
}
