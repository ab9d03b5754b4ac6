//! State that one actor writes and anyone reads without waiting.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// A snapshot that its owner replaces as a whole. Reading takes no lock and sends no message.
#[derive(Debug)]
pub struct Published<T> {
    value: ArcSwap<T>,
    generation: AtomicU64,
    replaced: watch::Sender<()>,
}

impl<T> Published<T> {
    /// Starts with a first value.
    pub fn new(value: T) -> Self {
        Self {
            value: ArcSwap::from_pointee(value),
            generation: AtomicU64::new(0),
            replaced: watch::Sender::new(()),
        }
    }

    /// The value as it is now.
    pub fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// How often the value was replaced. What was made of the value after this was read is of the
    /// latest value for as long as this stays the same.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Replaces the value. Only the owning actor calls this.
    pub fn set(&self, value: T) {
        self.value.store(Arc::new(value));
        // After the value: who reads the new number reads the new value.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.replaced.send_replace(());
    }

    /// Waits until the value satisfies a condition. Has no time limit of its own.
    pub async fn wait_for(&self, condition: impl Fn(&T) -> bool) -> Arc<T> {
        let mut replaced = self.replaced.subscribe();
        loop {
            // The receiver was made before this look, so no replacement after it is missed.
            let value = self.get();
            if condition(&value) {
                return value;
            }
            if replaced.changed().await.is_err() {
                return self.get();
            }
        }
    }
}
