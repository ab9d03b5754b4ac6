//! Genres, projections, sync records and scores in memory.

use std::{cmp::Reverse, collections::HashMap};

use async_trait::async_trait;

use super::MemoryDocuments;
use crate::{
    domain::{Genre, GenreList, Hour, MovieId, Projection, UserId},
    ports::{GenreStore, Reports, StoreError, SyncLog, SyncRecord, TrendingStore},
};

#[async_trait]
impl GenreStore for MemoryDocuments {
    async fn genres(&self) -> Result<GenreList, StoreError> {
        Ok(self.state()?.genres.values().cloned().collect())
    }

    async fn save_genres(&self, genres: &[Genre]) -> Result<(), StoreError> {
        self.state()?.genres.extend(genres.iter().map(|genre| (genre.id, genre.clone())));
        Ok(())
    }
}

#[async_trait]
impl Reports for MemoryDocuments {
    async fn projection(&self, user: UserId) -> Result<Option<Projection>, StoreError> {
        Ok(self.state()?.projections.get(&user).cloned())
    }

    async fn projections(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Projection>, StoreError> {
        let state = self.state()?;
        let stored = users.iter().filter_map(|user| state.projections.get_key_value(user));
        Ok(stored.map(|(user, found)| (*user, found.clone())).collect())
    }

    async fn advance(&self, from_seq: u64, next: &Projection) -> Result<bool, StoreError> {
        let mut state = self.state()?;
        let stored = state.projections.get(&next.user_id).map_or(0, |found| found.last_seq);
        if stored == from_seq {
            state.projections.insert(next.user_id, next.clone());
        }
        Ok(stored == from_seq)
    }

    async fn replace(&self, rebuilt: &Projection) -> Result<bool, StoreError> {
        let mut state = self.state()?;
        let stored = state.projections.get(&rebuilt.user_id).map_or(0, |found| found.last_seq);
        if stored <= rebuilt.last_seq {
            state.projections.insert(rebuilt.user_id, rebuilt.clone());
        }
        Ok(stored <= rebuilt.last_seq)
    }

    async fn erase(&self, user: UserId) -> Result<(), StoreError> {
        self.state()?.projections.remove(&user);
        Ok(())
    }
}

#[async_trait]
impl SyncLog for MemoryDocuments {
    async fn sync_record(&self, name: &str) -> Result<SyncRecord, StoreError> {
        Ok(self.state()?.sync_records.get(name).copied().unwrap_or_default())
    }

    async fn save_sync_record(&self, name: &str, record: &SyncRecord) -> Result<(), StoreError> {
        self.state()?.sync_records.insert(name.to_owned(), *record);
        Ok(())
    }
}

#[async_trait]
impl TrendingStore for MemoryDocuments {
    async fn add_scores(&self, hour: Hour, scores: &[(MovieId, u64)]) -> Result<(), StoreError> {
        let mut state = self.state()?;
        for (movie, score) in scores {
            *state.scores.entry((hour, *movie)).or_default() += score;
        }
        Ok(())
    }

    async fn top_movies(&self, since: Hour, limit: u32) -> Result<Vec<(MovieId, u64)>, StoreError> {
        let mut sums: HashMap<MovieId, u64> = HashMap::new();
        for ((hour, movie), score) in &self.state()?.scores {
            if *hour >= since {
                *sums.entry(*movie).or_default() += score;
            }
        }
        let mut top: Vec<(MovieId, u64)> = sums.into_iter().collect();
        top.sort_by_key(|(movie, score)| (Reverse(*score), *movie));
        top.truncate(limit as usize);
        Ok(top)
    }

    async fn purge_scores(&self, before: Hour) -> Result<(), StoreError> {
        self.state()?.scores.retain(|(hour, _), _| *hour >= before);
        Ok(())
    }
}
