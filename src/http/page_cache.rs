//! Pages of movies as they were sent, shared by everybody who may see the same.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::web::Bytes;
use moka::sync::Cache;
use tokio::time::Instant;
use watchme_actors::{
    changes::Alone,
    domain::{GenreId, MovieQuery, PageRequest},
};

const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// An old page is kept this long for when the store is away.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Older ones count as forgotten while the changes of other replicas do not arrive.
const MAX_AGE_ALONE: Duration = Duration::from_secs(10);
/// What an entry costs besides its body, about.
const OVERHEAD: usize = 512;

/// What a page depends on: the entitlement and the filter that has met it, order and place.
#[derive(Clone, PartialEq)]
pub(crate) struct PageKey {
    pub(crate) query: MovieQuery,
    pub(crate) page: PageRequest,
}

impl PageKey {
    /// What the key takes beside its fixed size, which is in the overhead.
    fn bytes(&self) -> usize {
        let filter = &self.query.filter;
        let sets = [&filter.genres, &filter.excluded_genres, &self.query.entitlement.genres];
        let genres: usize = sets.iter().map(|set| set.len()).sum();
        genres * size_of::<GenreId>() + filter.text.as_ref().map_or(0, String::len)
    }
}

// `MovieQuery` holds one float, the lowest rating, which was checked to be finite.
impl Eq for PageKey {}

impl Hash for PageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let filter = &self.query.filter;
        (&filter.genres, filter.genre_mode, &filter.excluded_genres).hash(state);
        (filter.year_from, filter.year_to, &filter.language, &filter.text).hash(state);
        // Adding zero makes −0 and 0, which are equal, hash alike.
        filter.min_rating.map(|rating| (rating + 0.0).to_bits()).hash(state);
        (&self.query.entitlement, self.query.sort, self.page).hash(state);
    }
}

/// An encoded page.
#[derive(Clone)]
pub(crate) struct EncodedPage {
    pub(crate) body: Bytes,
    pub(crate) tag: Arc<str>,
}

#[derive(Clone)]
struct Entry {
    page: EncodedPage,
    epoch: u64,
    since: Instant,
}

/// Encoded pages, by age and by size.
pub(crate) struct PageCache {
    entries: Cache<PageKey, Entry>,
    /// Raised by every change of a movie or a genre: what was encoded before does not count.
    epoch: AtomicU64,
    ttl: Duration,
    alone: Alone,
}

impl PageCache {
    pub(crate) fn new(ttl: Duration, alone: Alone) -> Self {
        let weigh = |key: &PageKey, entry: &Entry| {
            u32::try_from(entry.page.body.len() + key.bytes() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let entries =
            Cache::builder().max_capacity(MAX_BYTES).weigher(weigh).time_to_live(KEPT).build();
        Self { entries, epoch: AtomicU64::new(0), ttl, alone }
    }

    pub(crate) fn get(&self, key: &PageKey) -> Option<EncodedPage> {
        let entry = self.entries.get(key)?;
        let max_age = if self.alone.now() { MAX_AGE_ALONE.min(self.ttl) } else { self.ttl };
        let counts = entry.epoch == self.epoch() && entry.since.elapsed() < max_age;
        counts.then_some(entry.page)
    }

    /// A page that may have been forgotten: for when there is no other to be had.
    pub(crate) fn get_stale(&self, key: &PageKey) -> Option<EncodedPage> {
        self.entries.get(key).map(|entry| entry.page)
    }

    /// The moment before a page is read from the store: a change from then on makes it untrue.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn put(&self, key: PageKey, page: EncodedPage, epoch: u64) {
        if epoch == self.epoch() {
            self.entries.insert(key, Entry { page, epoch, since: Instant::now() });
        }
    }

    /// Forgets every page: a film may stand on any of them.
    pub(crate) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use watchme_actors::domain::{Entitlement, EntitlementMode, MovieFilter, MovieSort};

    use super::*;

    fn key(genres: &[i64], min_rating: Option<f64>) -> PageKey {
        let entitlement = Entitlement {
            genres: genres.iter().map(|id| GenreId::try_from(*id).unwrap()).collect(),
            mode: EntitlementMode::Any,
        };
        let filter = MovieFilter { min_rating, ..MovieFilter::default() };
        let query = MovieQuery::new(filter, entitlement, MovieSort::default()).unwrap();
        PageKey { query, page: PageRequest::default() }
    }

    fn page(text: &'static str) -> EncodedPage {
        EncodedPage { body: Bytes::from_static(text.as_bytes()), tag: "\"1\"".into() }
    }

    #[test]
    fn a_page_is_shared_by_those_who_may_see_the_same_and_by_nobody_else() {
        let cache = PageCache::new(Duration::from_secs(60), Alone::never());
        cache.put(key(&[18, 28], Some(0.0)), page("a"), cache.epoch());
        assert_eq!(cache.get(&key(&[28, 18], Some(-0.0))).unwrap().body, "a");
        assert!(cache.get(&key(&[18], Some(0.0))).is_none());
        assert!(cache.get(&key(&[18, 28], None)).is_none());
    }

    #[test]
    fn a_change_forgets_pages_and_those_that_were_being_read() {
        let cache = PageCache::new(Duration::from_secs(60), Alone::never());
        let before = cache.epoch();
        cache.put(key(&[18], None), page("old"), before);
        cache.forget();
        assert!(cache.get(&key(&[18], None)).is_none());
        cache.put(key(&[18], None), page("late"), before);
        assert!(cache.get(&key(&[18], None)).is_none());
        assert_eq!(cache.get_stale(&key(&[18], None)).unwrap().body, "old", "better than none");
    }

    #[tokio::test]
    async fn a_page_grows_old() {
        tokio::time::pause();
        let cache = PageCache::new(Duration::from_secs(60), Alone::never());
        cache.put(key(&[18], None), page("old"), cache.epoch());
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(cache.get(&key(&[18], None)).is_none());
        assert_eq!(cache.get_stale(&key(&[18], None)).unwrap().body, "old");
    }

    #[tokio::test]
    async fn where_nobody_tells_of_changes_a_page_does_not_count_for_long() {
        tokio::time::pause();
        let cached = |alone| {
            let cache = PageCache::new(Duration::from_secs(300), alone);
            cache.put(key(&[18], None), page("a"), cache.epoch());
            cache
        };
        let (told, alone) = (cached(Alone::never()), cached(Alone::always()));
        tokio::time::advance(MAX_AGE_ALONE / 2).await;
        assert!(told.get(&key(&[18], None)).is_some() && alone.get(&key(&[18], None)).is_some());
        tokio::time::advance(MAX_AGE_ALONE / 2).await;
        assert!(told.get(&key(&[18], None)).is_some());
        assert!(alone.get(&key(&[18], None)).is_none());
    }
}
