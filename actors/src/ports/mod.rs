//! One trait for each outside thing. Adapters implement them; actors and handlers know nothing else.

mod accounts;
mod act;
mod audit;
mod bus;
mod catalogue;
mod changes;
mod clock;
mod dead_letters;
mod housekeeping;
mod idempotency;
mod lease;
mod mail;
mod metadata;
mod outbox;
mod packages;
mod pool;
mod reports;
mod sessions;
mod store;
mod subscriptions;
mod sync_log;
mod throttles;
mod trace;
mod trending;
mod watch_log;

pub use accounts::{
    AccountError, Accounts, Credentials, NO_PASSWORD, NewAccount, PasswordChange, ProfileChange,
    StandingChange, UserFilter,
};
pub use act::{Act, Origin, acting, acting_as, current_act};
pub use audit::{AuditEntry, AuditFilter, AuditLog, AuditSubject};
pub use bus::{Acknowledge, BusError, BusMessage, Consumer, Delivery, EventBus};
pub use catalogue::{Catalogue, GenreStore};
pub use changes::{Change, ChangeFeed};
pub use clock::{Clock, SystemClock};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use housekeeping::{Expiry, Housekeeping, Swept};
pub use idempotency::{Created, IdempotencyKey};
pub use lease::{Lease, LeaseOwner, ProcessLeases, SoleProcess};
pub use mail::{
    MailBacklog, MailError, MailQueue, MailTokenError, MailTokens, Mailer, QueuedMail,
    TokenLifetimes,
};
pub use metadata::{MetadataError, MetadataSource};
pub use outbox::{Backlog, Outbox, OutboxRow};
pub use packages::{
    ArchivedFilter, NewPackage, PackageEdit, PackageError, PackageFilter, Packages,
};
pub use pool::{PoolUse, Pools};
pub use reports::Reports;
pub use sessions::{BeginError, MAX_SESSIONS, NewSession, Rotated, Rotation, Sessions, Standing};
pub use store::{Probe, StoreError, Writes};
pub use subscriptions::{NewSubscription, SubscriptionError, Subscriptions};
pub use sync_log::{SyncLog, SyncRecord};
pub use throttles::{Charge, Meter, Throttles};
pub use trace::{current_trace, traced, traced_if};
pub use trending::{TrendingStore, ViewFeed};
pub use watch_log::{
    AddPlay, Erased, History, MAX_PLAYS, MarkFilter, MarkMovie, Marked, UserSeq, WatchError,
    WatchLog,
};
