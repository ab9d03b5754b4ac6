//! When somebody has watched a movie, remembered for a moment: details tell it on every request.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use tokio::time::Instant;
use watchme_actors::{
    domain::{MovieId, Timestamp, UserId},
    ports::{StoreError, WatchLog},
};

/// Another replica's marks may go unseen for this long.
const AMONG_SEVERAL: Duration = Duration::from_secs(2);
/// This process hears of every mark: the limit is for what nobody foresaw.
const ALONE_WITH_ITS_STORE: Duration = Duration::from_secs(60);
const CAPACITY: u64 = 50_000;
/// A change of one user's marks is taken for one of everybody's of their share.
const SHARES: usize = 1_024;

#[derive(Clone, Copy)]
struct Seen {
    watched_at: Option<Timestamp>,
    /// Of the user when the reading began.
    epoch: u64,
    since: Instant,
}

/// Answers when users have watched movies.
pub(crate) struct WatchedAt {
    log: Arc<dyn WatchLog>,
    max_age: Duration,
    seen: Cache<(UserId, MovieId), Seen>,
    /// Raised by every change: what was read before does not count any more.
    epochs: [AtomicU64; SHARES],
    hits: AtomicU64,
    misses: AtomicU64,
}

impl WatchedAt {
    pub(crate) fn new(log: Arc<dyn WatchLog>, replicated: bool) -> Self {
        let max_age = if replicated { AMONG_SEVERAL } else { ALONE_WITH_ITS_STORE };
        let seen = Cache::builder().max_capacity(CAPACITY).time_to_live(max_age).build();
        let epochs = array::from_fn(|_| AtomicU64::new(0));
        let (hits, misses) = Default::default();
        Self { log, max_age, seen, epochs, hits, misses }
    }

    /// When a user has last watched a movie; `None` where it is not marked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn of(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = (user, movie);
        let epoch = self.epoch_of(user).load(Ordering::Acquire);
        if let Some(seen) = self.seen.get(&key).await {
            if seen.epoch >= epoch && seen.since.elapsed() < self.max_age {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(seen.watched_at);
            }
            self.seen.invalidate(&key).await;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        loop {
            let epoch = self.epoch_of(user).load(Ordering::Acquire);
            let reading = self.seen.try_get_with(key, self.read(key, epoch)).await;
            let seen = reading.map_err(|error| StoreError::clone(&error))?;
            if seen.epoch >= epoch {
                return Ok(seen.watched_at);
            }
            // Read by somebody who had begun before a change.
            self.seen.invalidate(&key).await;
        }
    }

    async fn read(&self, (user, movie): (UserId, MovieId), epoch: u64) -> Result<Seen, StoreError> {
        let since = Instant::now();
        let watched_at = self.log.watched_at(user, movie).await?;
        Ok(Seen { watched_at, epoch, since })
    }

    fn epoch_of(&self, user: UserId) -> &AtomicU64 {
        // The last bits of an identifier are random.
        &self.epochs[user.as_uuid().as_u128() as usize % SHARES]
    }

    /// A change of a user's marks. What was read before its end is forgotten when it ends, however
    /// it ends: hold what this gives until then.
    pub(crate) fn changing(&self, user: UserId) -> Changing<'_> {
        Changing(self.epoch_of(user))
    }

    /// Requests since the start: those that were remembered, and those that were read.
    pub(crate) fn status(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

/// A change under way.
#[must_use]
pub(crate) struct Changing<'a>(&'a AtomicU64);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use tokio::time::{advance, pause};
    use watchme_actors::testing::fakes::ScriptedMarks;

    use super::*;

    const FILM: i64 = 550;

    struct World {
        marks: ScriptedMarks,
        seen: Arc<WatchedAt>,
        user: UserId,
    }

    impl World {
        fn new(replicated: bool) -> Self {
            let marks = ScriptedMarks::new();
            let seen = Arc::new(WatchedAt::new(Arc::new(marks.clone()), replicated));
            Self { marks, seen, user: UserId::generate() }
        }

        /// Marks the film in the store, without telling.
        fn mark(&self, millis: i64) {
            self.marks.mark(self.user, FILM, Timestamp::from_millis(millis));
        }

        async fn told(&self) -> Option<i64> {
            let film = FILM.try_into().unwrap();
            self.seen.of(self.user, film).await.unwrap().map(Timestamp::as_millis)
        }
    }

    #[tokio::test]
    async fn it_is_remembered_until_a_change_of_the_user_has_ended() {
        let world = World::new(false);
        assert_eq!(world.told().await, None);
        let changing = world.seen.changing(world.user);
        world.mark(1);
        assert_eq!(world.told().await, None);
        drop(changing);
        assert_eq!(world.told().await, Some(1));
        world.mark(2);
        assert_eq!(world.told().await, Some(1), "remembered");
        assert_eq!(world.seen.status(), (2, 2));
    }

    #[tokio::test]
    async fn what_a_change_has_overtaken_is_not_remembered() {
        pause();
        let world = World::new(false);
        world.mark(1);
        world.marks.set_slow(world.user, Duration::from_secs(1));
        let early = async { world.told().await };
        let late = async {
            // The other one has read by now, and has it not yet.
            advance(Duration::from_millis(500)).await;
            world.mark(2);
            drop(world.seen.changing(world.user));
            assert_eq!(world.told().await, Some(2));
        };
        tokio::join!(early, late);
        assert_eq!(world.told().await, Some(2));
    }

    #[tokio::test]
    async fn it_is_not_remembered_for_long_where_others_may_change_it() {
        pause();
        for (replicated, max_age) in [(true, AMONG_SEVERAL), (false, ALONE_WITH_ITS_STORE)] {
            let world = World::new(replicated);
            assert_eq!(world.told().await, None);
            world.mark(1);
            advance(max_age / 2).await;
            assert_eq!(world.told().await, None);
            advance(max_age / 2).await;
            assert_eq!(world.told().await, Some(1));
        }
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let world = World::new(false);
        world.mark(1);
        world.marks.set_failing(true);
        assert!(world.seen.of(world.user, FILM.try_into().unwrap()).await.is_err());
        world.marks.set_failing(false);
        assert_eq!(world.told().await, Some(1));
    }
}
