//! From the errors of ports, actors and passwords to problems. Reasons are logged, never sent.

use watchme_actors::{
    entitlement::EntitlementError,
    genre_sync::GenreSyncError,
    movies::MovieError,
    ports::{
        AccountError, MailTokenError, PackageError, StoreError, SubscriptionError, WatchError,
    },
    supervision::ActorError,
    tmdb_client::TmdbError,
};

use super::{ErrorCode, Problem};
use crate::auth::PasswordError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { store, reason } => {
                tracing::warn!(store, reason, "a store is unavailable");
                Self::of(ErrorCode::StoreUnavailable)
            }
            StoreError::Busy { store } => {
                tracing::debug!(store, "a store is too busy");
                Self::of(ErrorCode::Overloaded)
            }
            StoreError::Corrupt { store, reason } => {
                tracing::error!(store, reason, "a store holds something unreadable");
                // Documents are fetched or projected again; the truth cannot be.
                Self::of(if store == "documents" {
                    ErrorCode::StoreUnavailable
                } else {
                    ErrorCode::Internal
                })
            }
        }
    }
}

impl From<ActorError> for Problem {
    fn from(error: ActorError) -> Self {
        tracing::warn!(%error, "an actor did not answer");
        Self::of(ErrorCode::Overloaded)
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::of(ErrorCode::UserNotFound),
            AccountError::EmailTaken => Self::of(ErrorCode::EmailTaken),
            AccountError::LastAdmin => Self::of(ErrorCode::LastAdmin),
            AccountError::PasswordChanged => Self::new(
                ErrorCode::Overloaded,
                "the account was being changed at this moment: try again",
            ),
            AccountError::KeyReused => Self::of(ErrorCode::IdempotencyKeyReused),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<MailTokenError> for Problem {
    fn from(error: MailTokenError) -> Self {
        match error {
            MailTokenError::Invalid => Self::of(ErrorCode::InvalidMailToken),
            MailTokenError::EmailTaken => Self::of(ErrorCode::EmailTaken),
            MailTokenError::Store(error) => error.into(),
        }
    }
}

impl From<PackageError> for Problem {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::NotFound => Self::of(ErrorCode::PackageNotFound),
            PackageError::NameTaken => Self::of(ErrorCode::PackageNameTaken),
            PackageError::VersionMismatch { current } => Self::new(
                ErrorCode::VersionMismatch,
                format!("the package is at version {current}"),
            ),
            PackageError::Archived => Self::of(ErrorCode::PackageArchived),
            PackageError::KeyReused => Self::of(ErrorCode::IdempotencyKeyReused),
            PackageError::Store(error) => error.into(),
        }
    }
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::NotFound => Self::of(ErrorCode::SubscriptionNotFound),
            SubscriptionError::UserNotFound => Self::of(ErrorCode::UserNotFound),
            SubscriptionError::PackageNotFound => Self::of(ErrorCode::PackageNotFound),
            SubscriptionError::PackageArchived => Self::of(ErrorCode::PackageArchived),
            SubscriptionError::AlreadySubscribed => Self::of(ErrorCode::AlreadySubscribed),
            SubscriptionError::KeyReused => Self::of(ErrorCode::IdempotencyKeyReused),
            SubscriptionError::Store(error) => error.into(),
        }
    }
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        match error {
            // Only one's own marks are ever touched: the account went while the request ran.
            WatchError::UserNotFound => Self::of(ErrorCode::AccountInactive),
            WatchError::NotEntitled => Self::of(ErrorCode::MovieNotEntitled),
            WatchError::MovieRequired => Self::of(ErrorCode::MovieNotFound),
            WatchError::MarkNotFound => Self::of(ErrorCode::NotWatched),
            WatchError::PlayNotFound => Self::of(ErrorCode::PlayNotFound),
            WatchError::TooManyPlays => Self::of(ErrorCode::TooManyPlays),
            WatchError::KeyReused => Self::of(ErrorCode::IdempotencyKeyReused),
            WatchError::Store(error) => error.into(),
        }
    }
}

impl From<TmdbError> for Problem {
    fn from(error: TmdbError) -> Self {
        tracing::warn!(%error, "the metadata source could not be asked");
        let problem = Self::of(ErrorCode::MetadataUnavailable);
        match error {
            TmdbError::CircuitOpen { retry_after } => problem.retry_after(retry_after),
            TmdbError::Source(_) => problem,
            TmdbError::Actor(error) => error.into(),
        }
    }
}

impl From<GenreSyncError> for Problem {
    fn from(error: GenreSyncError) -> Self {
        match error {
            GenreSyncError::NotReady => Self::of(ErrorCode::GenresNotReady),
            GenreSyncError::HeldElsewhere => Self::of(ErrorCode::SyncRunning),
            GenreSyncError::Source(error) => error.into(),
            GenreSyncError::Store(error) => error.into(),
            GenreSyncError::Actor(error) => error.into(),
        }
    }
}

impl From<EntitlementError> for Problem {
    fn from(error: EntitlementError) -> Self {
        match error {
            EntitlementError::Store(error) => error.into(),
            EntitlementError::Actor(error) => error.into(),
        }
    }
}

impl From<MovieError> for Problem {
    fn from(error: MovieError) -> Self {
        match error {
            MovieError::NotFound => Self::of(ErrorCode::MovieNotFound),
            MovieError::Unavailable { retry_after } => {
                Self::of(ErrorCode::MetadataUnavailable).retry_after(retry_after)
            }
            MovieError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::new(
                ErrorCode::Overloaded,
                "too many passwords are being checked at the moment",
            )
            .retry_after(std::time::Duration::from_secs(2)),
            PasswordError::Unusable(reason) => {
                tracing::error!(reason, "a password could not be hashed or checked");
                Self::of(ErrorCode::Internal)
            }
        }
    }
}
