//! A change feed that remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use crate::ports::{Change, ChangeFeed};

/// Announces to its own subscribers and remembers what was announced; clones share both.
#[derive(Debug, Clone)]
pub struct RecordingChanges {
    announced: Arc<Mutex<Vec<Change>>>,
    sender: broadcast::Sender<Change>,
    connected: Arc<watch::Sender<bool>>,
}

impl RecordingChanges {
    /// A feed on which a subscriber may lag by 1,024 changes.
    #[must_use]
    pub fn new() -> Self {
        Self::holding(1_024)
    }

    /// A feed on which a subscriber may lag by `capacity` changes (at least 1), so that a test
    /// can make it miss some.
    #[must_use]
    pub fn holding(capacity: usize) -> Self {
        Self {
            announced: Arc::default(),
            sender: broadcast::channel(capacity).0,
            connected: Arc::new(watch::Sender::new(true)),
        }
    }

    /// Everything announced so far, in order.
    #[must_use]
    pub fn announced(&self) -> Vec<Change> {
        self.announced.lock().expect("no test panics while it holds this lock").clone()
    }

    /// From now on the changes of other replicas arrive, or do not.
    pub fn set_connected(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    /// How many listen.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }
}

impl Default for RecordingChanges {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ChangeFeed for RecordingChanges {
    async fn announce(&self, change: Change) {
        self.announced.lock().expect("no test panics while it holds this lock").push(change);
        // An error says that nobody listens, which is no failure.
        let _ = self.sender.send(change);
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }
}
