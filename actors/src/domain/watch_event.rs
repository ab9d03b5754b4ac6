//! What is published when a mark is set, corrected or removed.

use serde::{Deserialize, Serialize};

use super::{EventId, GenreSet, LastFilm, MovieId, Timestamp, UserId};

/// Into how many partitions users are hashed. Fixed: changing it would reorder events in flight.
pub const PARTITIONS: u8 = 8;

/// The partition of a user: the last byte of the identifier (random in a UUID of version 7)
/// modulo [`PARTITIONS`].
#[must_use]
pub fn partition_of(user: UserId) -> u8 {
    user.as_uuid().as_bytes()[15] % PARTITIONS
}

/// A change of one user's watched marks. `seq` counts a user's changes from 1 without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchEvent {
    /// Unique; a delivery with an id that was seen is the same event again.
    pub id: EventId,
    /// Whose marks changed.
    pub user_id: UserId,
    /// The user's sequence number.
    pub seq: u64,
    /// When the change was committed.
    pub at: Timestamp,
    /// What changed.
    #[serde(flatten)]
    pub change: WatchChange,
}

/// The movie of an event, as its mark keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkedMovie {
    /// TMDb's number.
    pub movie_id: MovieId,
    /// The title as it was.
    pub movie_name: String,
    /// The genres as they were.
    pub genre_ids: GenreSet,
}

/// The kinds of change. Each carries the user's resulting last film, so that folding an
/// unmarking needs no search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WatchChange {
    /// A mark was set.
    Marked {
        /// What was watched.
        movie: MarkedMovie,
        /// When.
        watched_at: Timestamp,
        /// The user's last film now.
        last_film: Option<LastFilm>,
    },
    /// A mark was removed.
    Unmarked {
        /// What is not watched any more.
        movie: MarkedMovie,
        /// The user's last film now.
        last_film: Option<LastFilm>,
    },
    /// A mark's `watched_at` changed.
    Updated {
        /// The movie.
        movie: MarkedMovie,
        /// The new latest play.
        watched_at: Timestamp,
        /// The user's last film now.
        last_film: Option<LastFilm>,
    },
    /// The account is gone: the last event of a user.
    Erased,
}

impl WatchChange {
    /// The word in subjects and in the store.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Marked { .. } => "marked",
            Self::Unmarked { .. } => "unmarked",
            Self::Updated { .. } => "updated",
            Self::Erased => "erased",
        }
    }
}
