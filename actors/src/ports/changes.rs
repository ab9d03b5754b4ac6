//! Changes that every replica has to hear of, so that what it remembers stays true.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::domain::{MovieId, PackageId, UserId};

/// Something that others may have remembered has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A user's subscriptions.
    Subscriptions(UserId),
    /// A package's floor version.
    Package(PackageId),
    /// A user's role, status or sessions, or the account is gone.
    Account(UserId),
    /// The list of genres.
    Genres,
    /// One stored movie.
    Movie(MovieId),
    /// Any stored movie.
    AllMovies,
}

/// Tells every replica, this one included, of changes. Best effort: what is remembered has to
/// have an age limit of its own.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Tells of a change. Never fails: who cannot be reached reads again at its age limit.
    async fn announce(&self, change: Change);

    /// Changes from now on. A receiver that lags has missed some: it forgets everything.
    fn subscribe(&self) -> broadcast::Receiver<Change>;

    /// Whether the changes of other replicas arrive now. When it becomes true again, some have
    /// been missed.
    fn connected(&self) -> watch::Receiver<bool>;
}
