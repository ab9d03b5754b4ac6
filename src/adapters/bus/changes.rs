//! The change feed of a single process.

use async_trait::async_trait;
use tokio::sync::broadcast;
use watchme_actors::ports::{Change, ChangeFeed};

/// Changes that a slow listener may be behind; beyond that it forgets everything.
const BEHIND: usize = 4_096;

/// Tells everybody in this process.
#[derive(Debug, Clone)]
pub struct InProcessChanges(broadcast::Sender<Change>);

impl Default for InProcessChanges {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

#[async_trait]
impl ChangeFeed for InProcessChanges {
    async fn announce(&self, change: Change) {
        // Nobody listening is nothing to tell.
        let _ = self.0.send(change);
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
