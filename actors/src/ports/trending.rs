//! What is being watched: views on their way, and the store of their counts.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::StoreError;
use crate::domain::{Hour, MovieId};

/// Carries views of movies' details, best effort: a view that is lost is no harm.
#[async_trait]
pub trait ViewFeed: Send + Sync {
    /// Tells that a movie's details were read. Returns at once and never fails: what cannot be
    /// carried is dropped and counted.
    fn viewed(&self, movie: MovieId);

    /// Views from now on. Each view of any replica reaches one receiver of all replicas'.
    async fn subscribe(&self) -> mpsc::Receiver<MovieId>;
}

/// The store of scores by the hour. Each step is atomic for one movie and hour.
#[async_trait]
pub trait TrendingStore: Send + Sync {
    /// Adds to the scores of an hour.
    async fn add_scores(&self, hour: Hour, scores: &[(MovieId, u64)]) -> Result<(), StoreError>;

    /// The movies with the highest sums of scores in this hour and later, highest first, ties to
    /// the lowest id; at most `limit`.
    async fn top_movies(&self, since: Hour, limit: u32) -> Result<Vec<(MovieId, u64)>, StoreError>;

    /// Deletes the scores of hours before this one.
    async fn purge_scores(&self, before: Hour) -> Result<(), StoreError>;
}
