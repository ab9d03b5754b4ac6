//! Marks and plays: the truth that reports are projected from.

use async_trait::async_trait;

use super::{Created, IdempotencyKey, StoreError};
use crate::domain::{
    EntitlementMode, GenreId, MovieId, MovieSnapshot, Page, PageRequest, Play, PlayId, Timestamp,
    UserId, Viewing, WatchedMark,
};

/// A request to mark a movie as watched.
#[derive(Debug, Clone)]
pub struct MarkMovie {
    /// Who watched it.
    pub user: UserId,
    /// What was watched.
    pub movie_id: MovieId,
    /// The movie, if it could be found; only a movie that is marked already does without.
    pub movie: Option<MovieSnapshot>,
    /// When it was watched: a new mark without it takes `now`, an existing one stays as it is.
    pub viewing: Option<Viewing>,
    /// How the entitlement is applied.
    pub mode: EntitlementMode,
    /// Now.
    pub now: Timestamp,
}

/// A mark that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// As it stands now.
    pub mark: WatchedMark,
    /// Whether this request made it.
    pub created: bool,
}

/// A viewing to be added to a mark.
#[derive(Debug, Clone)]
pub struct AddPlay {
    /// Whose mark.
    pub user: UserId,
    /// Of which movie.
    pub movie_id: MovieId,
    /// When.
    pub viewing: Viewing,
    /// Now.
    pub now: Timestamp,
}

/// Which marks a list shows; everything that is set has to match.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkFilter {
    /// A genre that the mark keeps.
    pub genre: Option<GenreId>,
    /// Earliest `watched_at`, inclusive.
    pub from: Option<Timestamp>,
    /// Latest `watched_at`, exclusive.
    pub to: Option<Timestamp>,
}

/// All of a user's marks and the sequence number that they add up to, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The user's last sequence number.
    pub seq: u64,
    /// Every mark; their plays may be left out.
    pub marks: Vec<WatchedMark>,
}

/// How far a user's sequence has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSeq {
    /// The user.
    pub user: UserId,
    /// The user's last sequence number.
    pub seq: u64,
    /// When it was given.
    pub changed_at: Timestamp,
}

/// A user who is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Ascending, but not in the order of commits: only a place among those of one moment.
    pub id: i64,
    /// The user.
    pub user: UserId,
    /// When the account was deleted.
    pub at: Timestamp,
}

/// Why a mark or play was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchError {
    /// The account is gone.
    #[error("there is no such account")]
    UserNotFound,
    /// The user's subscriptions do not permit the movie.
    #[error("the movie is not in the user's entitlement")]
    NotEntitled,
    /// It is not marked yet, and the request did not bring the movie.
    #[error("a new mark needs the movie")]
    MovieRequired,
    /// The movie is not marked.
    #[error("the movie is not marked as watched")]
    MarkNotFound,
    /// The mark has no such play.
    #[error("there is no such play")]
    PlayNotFound,
    /// The mark has as many plays as one may have ([`MAX_PLAYS`]).
    #[error("the mark has as many plays as it may have")]
    TooManyPlays,
    /// The idempotency key was used with other parameters.
    #[error("the idempotency key was used with other parameters")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The most plays that one mark may have.
pub const MAX_PLAYS: u32 = 1_000;

/// The store of marks. A change of a user's marks takes, in one transaction that has locked the
/// user's row: the next sequence number, the change, and the event in the outbox. A change that
/// leaves every mark's `watched_at` as it was takes no number and makes no event.
#[async_trait]
pub trait WatchLog: Send + Sync {
    /// Marks a movie as watched. A new mark is checked against the user's subscriptions in the
    /// same transaction. Marking again is the same as marking once, needs no entitlement, and with
    /// another `viewing` corrects the latest play; a viewing that the mark has already changes
    /// nothing, so that a repeated request is the same as one.
    ///
    /// # Errors
    /// `UserNotFound`, `NotEntitled`, `MovieRequired`, `Store`.
    async fn mark(&self, request: MarkMovie) -> Result<Marked, WatchError>;

    /// Removes a mark with its plays; false when there was none.
    ///
    /// # Errors
    /// `UserNotFound`, `Store`.
    async fn unmark(
        &self,
        user: UserId,
        movie: MovieId,
        now: Timestamp,
    ) -> Result<bool, WatchError>;

    /// Adds a play to a mark.
    ///
    /// # Errors
    /// `UserNotFound`, `MarkNotFound`, `TooManyPlays`, `KeyReused`, `Store`.
    async fn add_play(
        &self,
        request: AddPlay,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Play>, WatchError>;

    /// Deletes a play; deleting the last one removes the mark.
    ///
    /// # Errors
    /// `UserNotFound`, `MarkNotFound`, `PlayNotFound`, `Store`.
    async fn delete_play(
        &self,
        user: UserId,
        movie: MovieId,
        play: PlayId,
        now: Timestamp,
    ) -> Result<(), WatchError>;

    /// One mark with its plays.
    async fn mark_of(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<WatchedMark>, StoreError>;

    /// When the user has last watched a movie; `None` where it is not marked. In one statement.
    async fn watched_at(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// A page of marks with their plays, latest `watched_at` first, ties by the latest mark.
    async fn marks(
        &self,
        user: UserId,
        filter: &MarkFilter,
        page: PageRequest,
    ) -> Result<Page<WatchedMark>, StoreError>;

    /// The ids of every movie that the user has marked, ascending.
    async fn watched_movies(&self, user: UserId) -> Result<Vec<MovieId>, StoreError>;

    /// All marks and the sequence number, in one snapshot; `None` when the account is gone.
    async fn history(&self, user: UserId) -> Result<Option<History>, StoreError>;

    /// The sequence numbers of users; accounts that are gone are absent.
    async fn sequences(&self, users: &[UserId]) -> Result<Vec<UserSeq>, StoreError>;

    /// The sequence numbers of all users in order of id, from behind the given one on, at most
    /// `limit`. A walk along an index, wherever it goes on.
    async fn sequences_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError>;

    /// Users whose sequence last changed in `[from, to)`, in order of that change and of id, after
    /// the given place, at most `limit`. Answered from an index, never by a scan of all users.
    async fn changed_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, UserId)>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError>;

    /// Users whose accounts were deleted in `[from, to)`, in order of that and of `id`, after
    /// the given place, at most `limit`. Known for as long as their last event is kept in the outbox:
    /// a week after it was published.
    async fn erased_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Erased>, StoreError>;
}
