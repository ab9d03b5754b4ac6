//! What the account and the session behind a token are worth now, remembered for a moment.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use tokio::runtime::Handle;
use watchme_actors::{
    domain::{SessionId, UserId},
    ports::{Clock, Sessions, Standing, StoreError},
};

/// For how long another replica's change may go unseen.
const REMEMBERED: Duration = Duration::from_secs(2);
const CAPACITY: u64 = 100_000;
/// A change of one account is taken for one of every account of its share.
const SHARES: usize = 1_024;

/// A standing, and the epoch in which its reading began.
#[derive(Clone, Copy)]
struct Seen {
    standing: Option<Standing>,
    epoch: u64,
}

/// Answers for each request what its sender is worth now.
pub struct AccountGate {
    sessions: Arc<dyn Sessions>,
    clock: Arc<dyn Clock>,
    /// Where it reads: on a thread of requests, each step would wait until all that have come were
    /// looked at, and a connection with it.
    runtime: Handle,
    seen: Cache<(UserId, SessionId), Seen>,
    /// Raised by every change: what was read before does not count any more.
    epochs: [AtomicU64; SHARES],
}

impl AccountGate {
    /// A gate over a store of sessions, which reads in the runtime that it is made in.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(sessions: Arc<dyn Sessions>, clock: Arc<dyn Clock>) -> Self {
        let seen = Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build();
        let epochs = array::from_fn(|_| AtomicU64::new(0));
        Self { sessions, clock, runtime: Handle::current(), seen, epochs }
    }

    /// What a user is worth in a session; `None` when the account is gone.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn standing(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Standing>, StoreError> {
        let key = (user, session);
        loop {
            let epoch = self.epoch_of(user).load(Ordering::Acquire);
            let seen = match self.seen.get(&key).await {
                Some(seen) => seen,
                None => self
                    .seen
                    .try_get_with(key, self.read(key, epoch))
                    .await
                    .map_err(|error| StoreError::clone(&error))?,
            };
            if seen.epoch >= epoch {
                return Ok(seen.standing);
            }
            // Read before a change, or by somebody who had begun before it.
            self.seen.invalidate(&key).await;
        }
    }

    async fn read(
        &self,
        (user, session): (UserId, SessionId),
        epoch: u64,
    ) -> Result<Seen, StoreError> {
        let (sessions, now) = (Arc::clone(&self.sessions), self.clock.now());
        let reading =
            self.runtime.spawn(async move { sessions.standing(user, session, now).await });
        let standing = reading.await.map_err(|error| StoreError::Unavailable {
            store: "sql",
            reason: error.to_string(),
        })??;
        Ok(Seen { standing, epoch })
    }

    fn epoch_of(&self, user: UserId) -> &AtomicU64 {
        // The last bits of an identifier are random.
        &self.epochs[user.as_uuid().as_u128() as usize % SHARES]
    }

    /// Forgets what it knew of an account and its sessions: something has changed.
    pub fn forget(&self, user: UserId) {
        self.epoch_of(user).fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets everything: changes may have been missed.
    pub fn forget_all(&self) {
        for epoch in &self.epochs {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}
