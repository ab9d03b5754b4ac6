//! What was read about users: remembered for a moment, and no longer than until something of theirs
//! changes.

use std::{
    array,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future;
use quick_cache::sync::Cache;
use tokio::time::Instant;
use watchme_actors::{domain::UserId, ports::StoreError};

/// A change of one user is taken for one of every user of their share.
const SHARES: usize = 1_024;
/// What was read is forgotten by `under_way` as soon as those who waited have it; at the latest after
/// this, where they all went away.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// A value, with the epoch of its user in which its reading began, and when that was.
#[derive(Clone, Copy)]
struct Seen<V> {
    value: V,
    epoch: u64,
    since: Instant,
}

/// Values by user, and by what they are of.
pub(crate) struct Remembered<K, V> {
    max_age: Duration,
    seen: Cache<(UserId, K), Seen<V>>,
    /// What is being read, once for everybody who waits, by the epoch in which they came.
    under_way: future::Cache<((UserId, K), u64), V>,
    /// Raised by every change: what was read before does not count any more.
    epochs: [AtomicU64; SHARES],
}

impl<K, V> Remembered<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Copy + Send + Sync + 'static,
{
    /// For so many values, each for so long.
    pub(crate) fn new(most: usize, max_age: Duration) -> Self {
        let under_way =
            future::Cache::builder().max_capacity(most as u64).time_to_live(UNDER_WAY).build();
        let epochs = array::from_fn(|_| AtomicU64::new(0));
        Self { max_age, seen: Cache::new(most), under_way, epochs }
    }

    /// What is remembered.
    pub(crate) fn get(&self, user: UserId, of: K) -> Option<V> {
        let epoch = self.epoch_of(user).load(Ordering::Acquire);
        let key = (user, of);
        let seen = self.seen.get(&key)?;
        if seen.epoch >= epoch && seen.since.elapsed() < self.max_age {
            return Some(seen.value);
        }
        self.seen.remove_if(&key, |it| it.since == seen.since);
        None
    }

    /// What is read, and remembered then. Many who ask for the same wait for one reading, unless
    /// something has changed since it began.
    ///
    /// # Errors
    /// Those of the reading, for everybody who waits.
    pub(crate) async fn read(
        &self,
        user: UserId,
        of: K,
        reading: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        let (key, epoch) = ((user, of), self.epoch_of(user).load(Ordering::Acquire));
        let reading = async {
            // Who looked before the last one was done comes after it.
            if let Some(value) = self.get(user, of) {
                return Ok(value);
            }
            let since = Instant::now();
            let value = reading.await?;
            // In the place of a later one it does not count, and is read anew.
            self.seen.insert(key, Seen { value, epoch, since });
            Ok(value)
        };
        let read = self.under_way.try_get_with((key, epoch), reading).await;
        self.under_way.invalidate(&(key, epoch)).await;
        read.map_err(|error: Arc<StoreError>| StoreError::clone(&error))
    }

    fn epoch_of(&self, user: UserId) -> &AtomicU64 {
        // The last bits of an identifier are random.
        &self.epochs[user.as_uuid().as_u128() as usize % SHARES]
    }

    /// Forgets what was read of a user: something of theirs has changed.
    pub(crate) fn forget(&self, user: UserId) {
        self.epoch_of(user).fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets everything: changes may have been missed.
    pub(crate) fn forget_all(&self) {
        for epoch in &self.epochs {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;
    use tokio::time::{advance, pause, sleep};
    use watchme_actors::domain::UserId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a store would say: how often it was asked.
    #[derive(Default)]
    struct Store {
        asked: AtomicUsize,
        away: bool,
    }

    impl Store {
        async fn read(&self) -> Result<usize, StoreError> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            sleep(SECOND).await;
            if self.away {
                let reason = "away".to_owned();
                return Err(StoreError::Unavailable { store: "sql", reason });
            }
            Ok(asked)
        }
    }

    fn remembered() -> Remembered<u8, usize> {
        Remembered::new(10, 10 * SECOND)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_wait_for_one_reading_and_share_its_failure() {
        pause();
        for away in [false, true] {
            let store = Store { away, ..Store::default() };
            let (remembered, user) = (remembered(), UserId::generate());
            let many = (0..50).map(|_| remembered.read(user, 1, store.read()));
            let told = join_all(many).await;
            assert!(told.iter().all(|it| it.is_err() == away), "{told:?}");
            assert_eq!(store.asked.load(Ordering::Relaxed), 1);
            assert_eq!(remembered.get(user, 1), (!away).then_some(1));
        }
    }

    #[tokio::test]
    async fn who_comes_after_a_change_does_not_wait_for_what_began_before_it() {
        pause();
        let (store, remembered, user) = (Store::default(), remembered(), UserId::generate());
        let before = remembered.read(user, 1, store.read());
        let after = async {
            sleep(SECOND / 2).await;
            remembered.forget(user);
            remembered.read(user, 1, store.read()).await
        };
        let (before, after) = tokio::join!(before, after);
        assert_eq!((before.unwrap(), after.unwrap()), (1, 2));
        assert_eq!(remembered.get(user, 1), Some(2));
    }

    #[tokio::test]
    async fn what_is_old_or_may_have_changed_is_not_remembered() {
        pause();
        let (store, remembered, user) = (Store::default(), remembered(), UserId::generate());
        let read = async || remembered.read(user, 1, store.read()).await.unwrap();
        assert_eq!(read().await, 1);
        assert_eq!((remembered.get(user, 1), remembered.get(user, 2)), (Some(1), None));
        advance(10 * SECOND).await;
        assert_eq!(remembered.get(user, 1), None);
        assert_eq!(read().await, 2);
        remembered.forget_all();
        assert_eq!(remembered.get(user, 1), None);
    }
}
