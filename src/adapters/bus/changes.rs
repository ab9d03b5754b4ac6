//! The change feed of a single process.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use watchme_actors::ports::{Change, ChangeFeed};

/// Changes that a slow listener may be behind; beyond that it forgets everything.
const BEHIND: usize = 4_096;

/// Tells everybody in this process.
#[derive(Debug, Clone)]
pub struct InProcessChanges {
    sender: broadcast::Sender<Change>,
    connected: Arc<watch::Sender<bool>>,
}

impl Default for InProcessChanges {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            connected: Arc::new(watch::Sender::new(true)),
        }
    }
}

#[async_trait]
impl ChangeFeed for InProcessChanges {
    async fn announce(&self, change: Change) {
        // Nobody listening is nothing to tell.
        let _ = self.sender.send(change);
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }
}
