//! Answers that are encoded once and shared by everybody who is to be given the same.

mod cache;
mod encoded;

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use watchme_actors::{
    Handles,
    domain::{Entitlement, GenreId, MovieId, PackageId, Timestamp},
};

pub(crate) use cache::{AnswerCache, Bounds, CacheStatus, Stamp};
pub(crate) use encoded::Encoded;

use super::{Settings, movies_asked::PageKey};

const MIB: u64 = 1024 * 1024;
/// Packages are the truth: among several replicas nothing that is read of them counts for longer,
/// since one that is cut off cannot tell the others of its changes.
const PACKAGES_AMONG_SEVERAL: Duration = Duration::from_secs(10);

/// What trending pages depend on besides what is trending: who may see what, and the query.
pub(crate) type TrendingKey = (Arc<Entitlement>, Box<str>);
/// A movie's details, and when the caller has watched it.
pub(crate) type DetailsKey = (MovieId, Option<Timestamp>);

/// An answer about packages, by its query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PackagesKey {
    Page(Box<str>),
    One(PackageId),
    Versions(PackageId, Box<str>),
}

impl PackagesKey {
    fn bytes(&self) -> usize {
        match self {
            Self::Page(query) | Self::Versions(_, query) => query.len(),
            Self::One(_) => 0,
        }
    }
}

/// Every cache of encoded answers, and what makes them untrue.
pub(crate) struct Answers {
    /// Lists of movies, popular ones and found ones included.
    pub(crate) pages: Arc<AnswerCache<PageKey>>,
    pub(crate) trending: Arc<AnswerCache<TrendingKey>>,
    pub(crate) details: Arc<AnswerCache<DetailsKey>>,
    /// By query.
    pub(crate) genres: Arc<AnswerCache<Box<str>>>,
    pub(crate) packages: Arc<AnswerCache<PackagesKey>>,
    handles: Handles,
    movies_changed: AtomicU64,
    packages_changed: AtomicU64,
}

impl Answers {
    pub(crate) fn new(settings: &Settings, handles: &Handles) -> Self {
        let movies = settings.page_ttl;
        let packages =
            if settings.replicated { movies.min(PACKAGES_AMONG_SEVERAL) } else { movies };
        let (movies_changed, packages_changed) = Default::default();
        Self {
            pages: cache(
                handles,
                Bounds {
                    name: "pages",
                    bytes: 24 * MIB,
                    max_age: movies,
                    outlasts_store: true,
                    key_bytes: PageKey::bytes,
                },
            ),
            trending: cache(
                handles,
                Bounds {
                    name: "trending",
                    bytes: 4 * MIB,
                    max_age: movies,
                    outlasts_store: false,
                    key_bytes: |(entitlement, query)| genre_bytes(entitlement) + query.len(),
                },
            ),
            details: cache(
                handles,
                Bounds {
                    name: "details",
                    bytes: 16 * MIB,
                    max_age: movies,
                    outlasts_store: false,
                    key_bytes: |_| 0,
                },
            ),
            genres: cache(
                handles,
                Bounds {
                    name: "genres",
                    bytes: 2 * MIB,
                    max_age: packages,
                    outlasts_store: false,
                    key_bytes: |query| query.len(),
                },
            ),
            packages: cache(
                handles,
                Bounds {
                    name: "packages",
                    bytes: 4 * MIB,
                    max_age: packages,
                    outlasts_store: false,
                    key_bytes: PackagesKey::bytes,
                },
            ),
            handles: handles.clone(),
            movies_changed,
            packages_changed,
        }
    }

    /// For lists of stored movies.
    pub(crate) fn of_movies(&self) -> Stamp {
        self.stamp(self.movies_changed.load(Ordering::Acquire))
    }

    /// For the trending movies.
    pub(crate) fn of_trending(&self) -> Stamp {
        self.stamp(self.handles.trending.generation())
    }

    /// For the details of a movie, which were read under this number.
    pub(crate) fn of_details(&self, reading: u64) -> Stamp {
        self.stamp(reading)
    }

    /// For packages, and for genres, which can be asked for by package.
    pub(crate) fn of_packages(&self) -> Stamp {
        self.stamp(self.packages_changed.load(Ordering::Acquire))
    }

    fn stamp(&self, of: u64) -> Stamp {
        Stamp { of, genres: self.handles.genres.generation() }
    }

    /// Some stored movie has changed: it may stand on any page.
    pub(crate) fn movies_have_changed(&self) {
        self.movies_changed.fetch_add(1, Ordering::AcqRel);
    }

    /// Some package, or the account that made one, has changed.
    pub(crate) fn packages_have_changed(&self) {
        self.packages_changed.fetch_add(1, Ordering::AcqRel);
    }

    /// Changes may have been missed. The rest follows what the actors publish, who read it again.
    pub(crate) fn anything_may_have_changed(&self) {
        self.movies_have_changed();
        self.packages_have_changed();
    }

    /// How each cache is doing.
    pub(crate) fn status(&self) -> [CacheStatus; 5] {
        [
            self.pages.status(),
            self.trending.status(),
            self.details.status(),
            self.genres.status(),
            self.packages.status(),
        ]
    }
}

fn cache<K: Clone + Eq + Hash + Send + Sync + 'static>(
    handles: &Handles,
    bounds: Bounds<K>,
) -> Arc<AnswerCache<K>> {
    Arc::new(AnswerCache::new(bounds, handles.alone.clone()))
}

/// What an entitlement takes beside its fixed size.
pub(crate) fn genre_bytes(entitlement: &Entitlement) -> usize {
    entitlement.genres.len() * size_of::<GenreId>()
}
