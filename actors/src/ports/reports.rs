//! The projections that reports are read from.

use std::collections::HashMap;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{Projection, UserId};

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

    /// Stores a projection that was rebuilt from the marks, unless a newer one (by `last_seq`) is
    /// stored; whether it did.
    async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError>;

    /// Deletes a projection; nothing happens when there is none.
    async fn erase(&self, user: UserId) -> Result<(), StoreError>;
}
