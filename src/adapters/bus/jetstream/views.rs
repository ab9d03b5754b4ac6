//! Views of movies' details over a plain subject, best effort.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, error::TrySendError};
use uuid::Uuid;
use watchme_actors::{
    domain::{MovieId, Timestamp},
    ports::ViewFeed,
};

use super::{
    connection::Nats,
    envelope::{CONTENT_TYPE, Outgoing},
    names::VIEWED_TYPE,
};

/// Views that may wait to be sent, and to be received; more are dropped.
const WAITING: usize = 4_096;
/// The members of this group share the views among them.
const GROUP: &str = "trending";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Viewed {
    movie_id: MovieId,
}

#[derive(Deserialize)]
struct Incoming {
    data: Viewed,
}

/// Tells of views by NATS; each reaches one receiver of all replicas'. Clones share everything.
#[derive(Clone)]
pub struct NatsViews {
    nats: Nats,
    waiting: mpsc::Sender<MovieId>,
    dropped: Arc<AtomicU64>,
}

impl NatsViews {
    /// A feed over a connection, which may not be made yet. To be called within a tokio runtime.
    #[must_use]
    pub fn start(nats: &Nats) -> Self {
        let (waiting, mut views) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let (sender, count) = (nats.clone(), Arc::clone(&dropped));
        tokio::spawn(async move {
            while let Some(movie) = views.recv().await {
                if sender.connected().is_err() || !send(&sender, movie).await {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { nats: nats.clone(), waiting, dropped }
    }

    /// Views that could not be carried.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn send(nats: &Nats, movie: MovieId) -> bool {
    let id = Uuid::now_v7().to_string();
    let data = Viewed { movie_id: movie };
    let event = Outgoing::new(VIEWED_TYPE, id, movie.to_string(), Timestamp::now(), data);
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("content-type", CONTENT_TYPE);
    let subject = nats.names.viewed(movie);
    nats.client.publish_with_headers(subject, headers, event.body()).await.is_ok()
}

#[async_trait]
impl ViewFeed for NatsViews {
    fn viewed(&self, movie: MovieId) {
        if self.waiting.try_send(movie).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn subscribe(&self) -> mpsc::Receiver<MovieId> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let subject = self.nats.names.every_view();
        let mut views = match self.nats.client.queue_subscribe(subject, GROUP.to_owned()).await {
            Ok(views) => views,
            Err(error) => {
                tracing::warn!(%error, "views cannot be received");
                return receiver;
            }
        };
        let dropped = Arc::clone(&self.dropped);
        self.nats.runtime.spawn(async move {
            loop {
                let message = tokio::select! {
                    message = views.next() => message,
                    () = sender.closed() => return,
                };
                let Some(message) = message else { return };
                let sent = serde_json::from_slice::<Incoming>(&message.payload)
                    .ok()
                    .map(|view| sender.try_send(view.data.movie_id));
                match sent {
                    Some(Ok(())) => {}
                    Some(Err(TrySendError::Closed(_))) => return,
                    Some(Err(TrySendError::Full(_))) | None => {
                        dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        receiver
    }
}
