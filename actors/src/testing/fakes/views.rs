//! Views in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{domain::MovieId, ports::ViewFeed};

/// Hands each view to one of those who listen; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryViews(Arc<Mutex<Vec<mpsc::Sender<MovieId>>>>);

impl MemoryViews {
    /// A feed that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl ViewFeed for MemoryViews {
    fn viewed(&self, movie: MovieId) {
        let listeners = self.0.lock().expect("no test panics while it holds this lock");
        // The first that has room; without one the view is lost, which is no harm.
        listeners.iter().any(|listener| listener.try_send(movie).is_ok());
    }

    async fn subscribe(&self) -> mpsc::Receiver<MovieId> {
        let (sender, receiver) = mpsc::channel(1_024);
        self.0.lock().expect("no test panics while it holds this lock").push(sender);
        receiver
    }
}
