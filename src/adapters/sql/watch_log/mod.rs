//! The port of marks: what it offers is here, how it reads and writes in the files beside.

mod marks;
mod plays;
pub(super) mod reading;
pub(super) mod sequences;
pub(super) mod together;
mod transaction;

use async_trait::async_trait;
use watchme_actors::{
    domain::{MovieId, Page, PageRequest, Play, PlayId, Timestamp, UserId, WatchedMark},
    ports::{
        AddPlay, Created, Erased, History, IdempotencyKey, MarkFilter, MarkMovie, Marked,
        StoreError, UserSeq, WatchError, WatchLog,
    },
};

#[cfg(test)]
pub(super) use transaction::{LATEST, MOVE, REMOVE, SET_PLAYS, entitlement_sql, lock_sql};

use super::{SqlStore, outbox};

#[async_trait]
impl WatchLog for SqlStore {
    async fn mark(&self, request: MarkMovie) -> Result<Marked, WatchError> {
        marks::mark(self, request).await
    }

    async fn unmark(
        &self,
        user: UserId,
        movie: MovieId,
        now: Timestamp,
    ) -> Result<bool, WatchError> {
        marks::unmark(self, user, movie, now).await
    }

    async fn add_play(
        &self,
        request: AddPlay,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Play>, WatchError> {
        plays::add(self, request, idempotency).await
    }

    async fn delete_play(
        &self,
        user: UserId,
        movie: MovieId,
        play: PlayId,
        now: Timestamp,
    ) -> Result<(), WatchError> {
        plays::delete(self, user, movie, play, now).await
    }

    async fn mark_of(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<WatchedMark>, StoreError> {
        reading::mark_of(self, user, movie).await
    }

    async fn watched_at(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<Timestamp>, StoreError> {
        reading::watched_at(self, user, movie).await
    }

    async fn marks(
        &self,
        user: UserId,
        filter: &MarkFilter,
        page: PageRequest,
    ) -> Result<Page<WatchedMark>, StoreError> {
        reading::marks(self, user, filter, page).await
    }

    async fn watched_movies(&self, user: UserId) -> Result<Vec<MovieId>, StoreError> {
        reading::watched_movies(self, user).await
    }

    async fn history(&self, user: UserId) -> Result<Option<History>, StoreError> {
        reading::history(self, user).await
    }

    async fn sequences(&self, users: &[UserId]) -> Result<Vec<UserSeq>, StoreError> {
        sequences::of(self, users).await
    }

    async fn sequences_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError> {
        sequences::after(self, after, limit).await
    }

    async fn changed_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, UserId)>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError> {
        sequences::changed_between(self, from, to, after, limit).await
    }

    async fn erased_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Erased>, StoreError> {
        outbox::erased_between(self, from, to, after, limit).await
    }
}
