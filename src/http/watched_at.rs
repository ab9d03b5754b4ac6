//! When somebody has watched a movie, remembered for a moment: details tell it on every request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};
use watchme_actors::{
    domain::{MovieId, Timestamp, UserId},
    ports::{StoreError, WatchLog},
};

use crate::remembered::Remembered;

/// Another replica's marks may go unseen for this long.
const AMONG_SEVERAL: Duration = Duration::from_secs(2);
/// This process hears of every mark: the limit is for what nobody foresaw.
const ALONE_WITH_ITS_STORE: Duration = Duration::from_secs(60);
const CAPACITY: usize = 50_000;
/// For so long a change that nobody waits for any more may still be made: it has to have its turn, and
/// the commit is one of many.
const LATE: Duration = Duration::from_secs(10);

/// Answers when users have watched movies.
pub(crate) struct WatchedAt {
    log: Arc<dyn WatchLog>,
    seen: Remembered<MovieId, Option<Timestamp>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl WatchedAt {
    pub(crate) fn new(log: Arc<dyn WatchLog>, replicated: bool) -> Self {
        let max_age = if replicated { AMONG_SEVERAL } else { ALONE_WITH_ITS_STORE };
        let (hits, misses) = Default::default();
        Self { log, seen: Remembered::new(CAPACITY, max_age), hits, misses }
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
        if let Some(watched_at) = self.seen.get(user, movie) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(watched_at);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        // Apart, since every request would carry its place about.
        Box::pin(self.seen.read(user, movie, self.log.watched_at(user, movie))).await
    }

    /// Makes a change of a user's marks: what was read before its end is forgotten when it ends. Where
    /// it is not waited for to its end (the client has gone), that may be later than it seems.
    pub(crate) async fn changing<T>(
        self: &Arc<Self>,
        user: UserId,
        change: impl Future<Output = T>,
    ) -> T {
        let mut changing = Changing { seen: self, user, ended: false };
        let outcome = change.await;
        changing.ended = true;
        outcome
    }

    /// Requests since the start: those that were remembered, and those that were read.
    pub(crate) fn status(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

struct Changing<'a> {
    seen: &'a Arc<WatchedAt>,
    user: UserId,
    ended: bool,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.seen.seen.forget(self.user);
        if !self.ended
            && let Ok(runtime) = Handle::try_current()
        {
            let (seen, user) = (Arc::clone(self.seen), self.user);
            runtime.spawn(async move {
                sleep(LATE).await;
                seen.seen.forget(user);
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::{advance, pause, timeout};
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
        let change = async {
            world.mark(1);
            assert_eq!(world.told().await, None);
        };
        world.seen.changing(world.user, change).await;
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
            world.seen.changing(world.user, ready(())).await;
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
    async fn a_change_that_nobody_waits_for_is_told_when_it_is_made() {
        pause();
        let world = World::new(false);
        let abandoned = world.seen.changing(world.user, pending::<()>());
        assert!(timeout(Duration::from_millis(1), abandoned).await.is_err());
        assert_eq!(world.told().await, None);
        world.mark(1);
        assert_eq!(world.told().await, None, "remembered");
        sleep(LATE + Duration::from_millis(1)).await;
        assert_eq!(world.told().await, Some(1));
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
