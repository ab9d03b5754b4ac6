//! Subscriptions.

use async_trait::async_trait;

use super::{Created, IdempotencyKey, StoreError};
use crate::domain::{
    Holding, PackageId, Page, PageRequest, Subscription, SubscriptionId, Timestamp, UserId,
};

/// A subscription to be made, on the package's latest version.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Who will hold it.
    pub user: UserId,
    /// The package.
    pub package: PackageId,
    /// From when it counts.
    pub starts_at: Timestamp,
    /// Until when it counts; open when `None`. Later than `starts_at`.
    pub ends_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// Why a subscription was not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubscriptionError {
    /// There is no such subscription.
    #[error("there is no such subscription")]
    NotFound,
    /// There is no such account.
    #[error("there is no such account")]
    UserNotFound,
    /// There is no such package.
    #[error("there is no such package")]
    PackageNotFound,
    /// The package takes no new subscriptions.
    #[error("the package is archived")]
    PackageArchived,
    /// The user has a subscription to the package that overlaps with this one in time.
    #[error("the user has an active subscription to this package")]
    AlreadySubscribed,
    /// The idempotency key was used with other parameters.
    #[error("the idempotency key was used with other parameters")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store of subscriptions. Every change locks the user's row, as marking does.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Makes a subscription.
    ///
    /// # Errors
    /// `UserNotFound`, `PackageNotFound`, `PackageArchived`, `AlreadySubscribed`, `KeyReused`, `Store`.
    async fn subscribe(
        &self,
        subscription: NewSubscription,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Subscription>, SubscriptionError>;

    /// What an earlier request with this key has made, as it was then; `None` where there was none.
    ///
    /// # Errors
    /// `KeyReused`, `Store`.
    async fn made_before(
        &self,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Subscription>, SubscriptionError>;

    /// One subscription.
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError>;

    /// A page of a user's subscriptions, ended ones included, newest first.
    async fn subscriptions(
        &self,
        user: UserId,
        page: PageRequest,
    ) -> Result<Page<Subscription>, StoreError>;

    /// Ends a subscription at `ends_at` (at once when that is not after `now`). Cancelling for a
    /// moment later than its present end does not prolong it. One that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    async fn cancel(
        &self,
        id: SubscriptionId,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Result<Subscription, SubscriptionError>;

    /// What the user holds now or will hold: subscriptions that end after `now`.
    async fn holdings(&self, user: UserId, now: Timestamp) -> Result<Vec<Holding>, StoreError>;
}
