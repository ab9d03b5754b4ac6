//! Sets of films that many lists are made of: each is made once.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use roaring::RoaringBitmap;

use super::order::Order;
use crate::domain::{GenreSet, MovieSortKey};

/// What those that are remembered may take.
const REMEMBERED_BYTES: u64 = 16 * 1024 * 1024;
/// Of fewer films they are made in less time than it takes to look for them.
const MANY: u32 = 16_384;
/// What one of them takes besides its bitmap, about.
const OVERHEAD: u64 = 512;
/// Of many films there is room for about as many sets. The cache is one shard then: of several none
/// would keep what is larger than its part of the bytes.
const SETS: usize = 32;

/// A set of films by their ranks in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// With one of these genres.
    AnyOf(GenreSet),
    /// With all of these genres, of which there is one at least.
    AllOf(GenreSet),
    /// With a genre which is none of these.
    Beyond(GenreSet),
    /// Of the year with this number, or later.
    YearAtLeast(u32),
    /// With the rating with this number, or a better one.
    RatingAtLeast(u32),
}

impl Part {
    fn of(&self, order: &Order) -> RoaringBitmap {
        match self {
            Self::AnyOf(genres) => order.any_of(genres),
            Self::AllOf(genres) => order.all_of(genres),
            Self::Beyond(genres) => order.beyond(genres),
            Self::YearAtLeast(year) => order.years.at_least(*year),
            Self::RatingAtLeast(rating) => order.ratings.at_least(*rating),
        }
    }
}

type Key = (MovieSortKey, Part);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Arc<RoaringBitmap>> for ByBytes {
    fn weight(&self, _: &Key, films: &Arc<RoaringBitmap>) -> u64 {
        films.serialized_size() as u64 + OVERHEAD
    }
}

/// Those that are remembered, of one segment.
pub(super) struct Parts(Option<Cache<Key, Arc<RoaringBitmap>, ByBytes>>);

impl Parts {
    /// For a segment of so many films.
    pub(super) fn new(films: u32) -> Self {
        let cache = || Cache::with_weighter(SETS, REMEMBERED_BYTES, ByBytes);
        Self((films >= MANY).then(cache))
    }

    pub(super) fn get(&self, order: &Order, part: Part) -> Arc<RoaringBitmap> {
        let Some(cache) = &self.0 else { return Arc::new(part.of(order)) };
        let key = (order.key(), part);
        cache.get(&key).unwrap_or_else(|| {
            let films = Arc::new(key.1.of(order));
            cache.insert(key, Arc::clone(&films));
            films
        })
    }
}
