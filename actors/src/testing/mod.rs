//! Fakes, fault injection and the contract suites that every adapter must pass.

pub mod contracts;
pub mod fakes;

use std::{any::Any, sync::Arc};

use crate::ports::{
    Accounts, AuditLog, Catalogue, ChangeFeed, DeadLetters, EventBus, GenreStore, Housekeeping,
    Lease, MailQueue, MailTokens, Outbox, Packages, Reports, Sessions, Subscriptions, SyncLog,
    Throttles, TrendingStore, WatchLog,
};

/// The ports that one SQL adapter implements, over a fresh and empty store.
pub struct SqlPorts {
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Packages.
    pub packages: Arc<dyn Packages>,
    /// Subscriptions.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Marks.
    pub watch_log: Arc<dyn WatchLog>,
    /// Events that wait.
    pub outbox: Arc<dyn Outbox>,
    /// Mails that wait.
    pub mail_queue: Arc<dyn MailQueue>,
    /// Tokens that came by mail.
    pub mail_tokens: Arc<dyn MailTokens>,
    /// Events that were buried.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Leases.
    pub lease: Arc<dyn Lease>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// What expires.
    pub housekeeping: Arc<dyn Housekeeping>,
    /// Throttles.
    pub throttles: Arc<dyn Throttles>,
    /// Whatever has to live as long as the store.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// The ports that carry events and changes, fresh and with nothing on their way.
pub struct BusPorts {
    /// Watch events.
    pub bus: Arc<dyn EventBus>,
    /// Changes.
    pub changes: Arc<dyn ChangeFeed>,
    /// Whatever has to live as long as they.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// The ports that one document adapter implements, over a fresh and empty store.
pub struct DocumentPorts {
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// Genres.
    pub genres: Arc<dyn GenreStore>,
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Sync records.
    pub sync_log: Arc<dyn SyncLog>,
    /// Scores by the hour.
    pub trending: Arc<dyn TrendingStore>,
    /// Whatever has to live as long as the store.
    pub keep: Box<dyn Any + Send + Sync>,
}
