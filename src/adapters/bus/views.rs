//! The feed of views of a single process.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::sync::mpsc::{self, error::TrySendError};
use watchme_actors::{domain::MovieId, ports::ViewFeed};

/// Views that may wait for a receiver; more are dropped.
const WAITING: usize = 4_096;

/// Hands views to the receivers of this process, each view to one. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct InProcessViews {
    receivers: Arc<Mutex<Vec<mpsc::Sender<MovieId>>>>,
    dropped: Arc<AtomicU64>,
}

impl InProcessViews {
    /// Views that nobody received.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ViewFeed for InProcessViews {
    fn viewed(&self, movie: MovieId) {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = false;
        receivers.retain(|receiver| {
            if taken {
                return true;
            }
            match receiver.try_send(movie) {
                Ok(()) => taken = true,
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return false,
            }
            true
        });
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn subscribe(&self) -> mpsc::Receiver<MovieId> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }
}
