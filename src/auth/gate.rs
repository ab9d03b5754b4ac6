//! Whether the account behind a token still may: its role and status, remembered for a moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use watchme_actors::{
    domain::{Role, UserId, UserStatus},
    ports::{Accounts, StoreError},
};

/// For how long another replica's change may go unseen.
const REMEMBERED: Duration = Duration::from_secs(2);
const CAPACITY: u64 = 100_000;

/// An account's standing, and the epoch in which its reading began.
#[derive(Clone, Copy)]
struct Seen {
    role: Option<Role>,
    epoch: u64,
}

/// Answers for each request what the account may do now.
pub struct AccountGate {
    accounts: Arc<dyn Accounts>,
    seen: Cache<UserId, Seen>,
    /// Raised by every change: what was read before does not count any more. Changes are rare,
    /// and everything is read anew after two seconds anyway.
    epoch: AtomicU64,
}

impl AccountGate {
    /// A gate over a store of accounts.
    pub fn new(accounts: Arc<dyn Accounts>) -> Self {
        let seen = Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build();
        Self { accounts, seen, epoch: AtomicU64::new(0) }
    }

    /// The role of an active account; `None` when it is disabled or gone.
    ///
    /// # Errors
    /// When the store of accounts does not answer.
    pub async fn role(&self, user: UserId) -> Result<Option<Role>, StoreError> {
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            let seen = match self.seen.get(&user).await {
                Some(seen) => seen,
                None => self
                    .seen
                    .try_get_with(user, self.read(user, epoch))
                    .await
                    .map_err(|error| StoreError::clone(&error))?,
            };
            if seen.epoch >= epoch {
                return Ok(seen.role);
            }
            // Read before a change, or by somebody who had begun before it.
            self.seen.invalidate(&user).await;
        }
    }

    async fn read(&self, user: UserId, epoch: u64) -> Result<Seen, StoreError> {
        let user = self.accounts.user(user).await?;
        let role = user.filter(|user| user.status == UserStatus::Active).map(|user| user.role);
        Ok(Seen { role, epoch })
    }

    /// Forgets what it knew: some account has changed.
    pub fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}
