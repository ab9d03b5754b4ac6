//! What the account and the session behind a token are worth now, remembered for a moment.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;
use watchme_actors::{
    domain::{SessionId, UserId},
    ports::{Clock, Sessions, Standing, StoreError},
};

use crate::remembered::Remembered;

/// For how long another replica's change may go unseen.
const REMEMBERED: Duration = Duration::from_secs(2);
const CAPACITY: usize = 100_000;

/// Answers for each request what its sender is worth now.
pub struct AccountGate {
    sessions: Arc<dyn Sessions>,
    clock: Arc<dyn Clock>,
    /// Where it reads: on a thread of requests, each step would wait until all that have come were
    /// looked at, and a connection with it.
    runtime: Handle,
    seen: Remembered<SessionId, Option<Standing>>,
}

impl AccountGate {
    /// A gate over a store of sessions, which reads in the runtime that it is made in.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(sessions: Arc<dyn Sessions>, clock: Arc<dyn Clock>) -> Self {
        let seen = Remembered::new(CAPACITY, REMEMBERED);
        Self { sessions, clock, runtime: Handle::current(), seen }
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
        match self.seen.get(user, session) {
            Some(standing) => Ok(standing),
            // Apart, since every request would carry its place about.
            None => Box::pin(self.seen.read(user, session, self.read(user, session))).await,
        }
    }

    async fn read(&self, user: UserId, session: SessionId) -> Result<Option<Standing>, StoreError> {
        let (sessions, now) = (Arc::clone(&self.sessions), self.clock.now());
        let reading =
            self.runtime.spawn(async move { sessions.standing(user, session, now).await });
        reading
            .await
            .map_err(|error| StoreError::Unavailable { store: "sql", reason: error.to_string() })?
    }

    /// Forgets what it knew of an account and its sessions: something has changed.
    pub fn forget(&self, user: UserId) {
        self.seen.forget(user);
    }

    /// Forgets everything: changes may have been missed.
    pub fn forget_all(&self) {
        self.seen.forget_all();
    }
}
