//! Watched marks and plays.

use serde::{Deserialize, Serialize};

use super::{GenreSet, MovieId, PlayId, Timestamp};

/// How exactly a viewing's time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Only the day: its time stands at noon UTC.
    Day,
    /// To the second.
    Second,
}

impl Precision {
    /// The word on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Second => "second",
        }
    }
}

/// When something was viewed, and how exactly that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewing {
    /// The moment.
    pub watched_at: Timestamp,
    /// How exactly it is known.
    pub precision: Precision,
}

/// One viewing of a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Play {
    /// Its identifier.
    pub id: PlayId,
    /// When.
    #[serde(flatten)]
    pub viewing: Viewing,
}

/// What a mark keeps of its movie, so that later changes do not rewrite anyone's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovieSnapshot {
    /// TMDb's number.
    pub id: MovieId,
    /// The title as it was.
    pub title: String,
    /// The genres as they were.
    pub genres: GenreSet,
}

/// The fact that a user has watched a movie; at most one per user and movie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchedMark {
    /// The movie as it was when it was marked.
    pub movie: MovieSnapshot,
    /// The latest of its plays.
    pub watched_at: Timestamp,
    /// When the mark was set.
    pub marked_at: Timestamp,
    /// The user's sequence number when the mark was set; breaks ties of `watched_at`.
    pub marked_seq: u64,
    /// At least one, latest first, ties by descending id.
    pub plays: Vec<Play>,
}
