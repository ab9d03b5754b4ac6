//! The projections that reports are read from.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::StoreError;
use crate::domain::{Projection, UserId};

/// Of several advances, those that are under way at once where the store has no better way.
const AT_ONCE: usize = 8;

/// The store of projections. Each write is one atomic step with its guard.
#[async_trait]
pub trait Reports: Send + Sync {
    /// One projection; `None` before the user's first event.
    async fn projection(&self, user: UserId) -> Result<Option<Projection>, StoreError>;

    /// Several projections; users without one are absent.
    async fn projections(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Projection>, StoreError>;

    /// Stores `next` only where the stored `last_seq` is `from_seq` (an absent one counts as 0);
    /// whether it did.
    async fn advance(&self, from_seq: u64, next: &Projection) -> Result<bool, StoreError>;

    /// Does several [`Self::advance`]s, each of another user, at less cost than one by one; of each
    /// whether it did.
    async fn advance_all(&self, steps: &[(u64, Projection)]) -> Vec<Result<bool, StoreError>> {
        let mut advances = Vec::with_capacity(steps.len());
        for (from_seq, next) in steps {
            advances.push(self.advance(*from_seq, next));
        }
        stream::iter(advances).buffered(AT_ONCE).collect().await
    }

    /// Stores a projection that was rebuilt from the marks, unless a newer one (by `last_seq`) is
    /// stored; whether it did.
    async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError>;

    /// Deletes a projection; nothing happens when there is none.
    async fn erase(&self, user: UserId) -> Result<(), StoreError>;
}
