//! Encoded answers that are shared: bounded by bytes, made once however many wait, and given for
//! as long as nothing that they were made of has changed.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    rt,
};
use moka::future;
use quick_cache::{Weighter, sync};
use tokio::time::{Instant, timeout};
use watchme_actors::changes::Alone;

use super::encoded::{Encoded, Tag};
use crate::http::{ErrorCode, Problem, conditional, layers::coding};

/// Older ones do not count while the changes of other replicas do not arrive.
const MAX_AGE_ALONE: Duration = Duration::from_secs(10);
/// For how long after its time an answer is still given while another one is made: long enough for
/// whoever asks all the time, and short for what nobody has told of.
const GRACE: Duration = Duration::from_secs(10);
/// An answer that has been overtaken may be given for so long, while the store is away.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Bytes that a shard of a cache has at least, and the fewest entries for which there is one.
const SHARD: usize = 1 << 20;
const ANSWERS: usize = 32;
/// Who has been waiting this long for an answer to be made is given an overtaken one instead, where
/// that is what the cache is for: a store that has just gone away is not known to be away.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is being made is forgotten as soon as those who waited have it; at the latest after this,
/// where they all went away.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// What an entry costs besides its bytes and those of its key, about.
const OVERHEAD: usize = 512;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Of what an answer was made. Read before that is, so that an answer which was overtaken while it
/// was made counts as old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    /// Counts what has changed of what is shown.
    pub(crate) of: u64,
    /// Counts the lists of genres, which every answer has names out of.
    pub(crate) genres: u64,
}

impl Stamp {
    fn is_after(self, other: Self) -> bool {
        self.of > other.of || self.genres > other.genres
    }
}

/// What the operator and the kind of answer decide of a cache.
pub(crate) struct Bounds<K> {
    /// In metrics.
    pub(crate) name: &'static str,
    /// With everything that belongs to an entry.
    pub(crate) bytes: u64,
    pub(crate) max_age: Duration,
    /// Whether an old answer is given, marked as such, where there is no other to be had, or not
    /// soon.
    pub(crate) outlasts_store: bool,
    /// What a key takes beside its fixed size, which is in the overhead.
    pub(crate) key_bytes: fn(&K) -> usize,
}

struct Entry {
    answer: Encoded,
    stamp: Stamp,
    since: Instant,
    /// Somebody is making another one.
    renewing: AtomicBool,
}

/// What a cache gives.
pub(crate) struct Served {
    entry: Arc<Entry>,
    /// It is old, because the store is away.
    pub(crate) stale: bool,
}

enum Look {
    Fresh(Arc<Entry>),
    /// Past its time, though nothing is known to have changed.
    Aging(Arc<Entry>),
    /// Nothing, or what something has changed of.
    Old(Option<Arc<Entry>>),
}

/// How a cache is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheStatus {
    pub(crate) name: &'static str,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Given past its time, or because the store is away.
    pub(crate) stale: u64,
    pub(crate) bytes: u64,
}

/// Encoded answers of one kind.
pub(crate) struct AnswerCache<K> {
    bounds: Bounds<K>,
    alone: Alone,
    /// Also what has been overtaken, as long as there is room: for when the store is away.
    entries: sync::Cache<K, Kept, Weighed<K>>,
    under_way: future::Cache<(K, Stamp), Result<Arc<Entry>, Problem>>,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

/// An entry, with what it took when it was put in: it grows where it is asked for in another coding.
#[derive(Clone)]
struct Kept {
    entry: Arc<Entry>,
    bytes: usize,
}

impl From<Arc<Entry>> for Kept {
    fn from(entry: Arc<Entry>) -> Self {
        Self { bytes: entry.answer.bytes(), entry }
    }
}

/// What an entry takes, with how many bytes a key takes.
struct Weighed<K>(fn(&K) -> usize);

impl<K> Clone for Weighed<K> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K> Weighter<K, Kept> for Weighed<K> {
    fn weight(&self, key: &K, kept: &Kept) -> u64 {
        (kept.bytes + self.0(key) + OVERHEAD) as u64
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> AnswerCache<K> {
    pub(crate) fn new(bounds: Bounds<K>, alone: Alone) -> Self {
        // Few shards: none keeps an answer that is larger than its part of the bytes.
        let bytes = usize::try_from(bounds.bytes).unwrap_or(usize::MAX);
        let many = (bytes / SHARD).clamp(1, 16) * ANSWERS;
        let entries = sync::Cache::with_weighter(many, bounds.bytes, Weighed(bounds.key_bytes));
        let under_way =
            future::Cache::builder().max_capacity(10_000).time_to_live(UNDER_WAY).build();
        let (hits, misses, stale) = Default::default();
        Self { bounds, alone, entries, under_way, hits, misses, stale }
    }

    /// The answer for a key as of now, made where there is none; many who wait for the same wait for
    /// one. Nobody waits for one that is merely past its time: it is given, and made anew beside.
    /// Where old answers outlast the store, nobody who could be given one waits for long.
    ///
    /// # Errors
    /// The problem with making it.
    pub(crate) async fn get<F>(
        self: &Arc<Self>,
        key: &K,
        stamp: Stamp,
        make: impl FnOnce() -> F,
    ) -> Result<Served, Problem>
    where
        F: Future<Output = Result<Encoded, Problem>> + 'static,
    {
        let old = match self.look(key, stamp) {
            Look::Fresh(entry) => return Ok(self.hit(entry)),
            Look::Aging(entry) => {
                if !entry.renewing.swap(true, Ordering::AcqRel) {
                    let renewing = Arc::clone(self).renew(key.clone(), Arc::clone(&entry), make());
                    rt::spawn(renewing);
                }
                self.stale.fetch_add(1, Ordering::Relaxed);
                return Ok(Served { entry, stale: false });
            }
            Look::Old(old) => old,
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        // Apart, as everything that seldom has to be done: each request would carry its place about.
        match old {
            Some(old) if self.outlasts(&old) => {
                Box::pin(self.made_soon(key, stamp, make(), old)).await
            }
            _ => Ok(Served { entry: Box::pin(self.made(key, stamp, make())).await?, stale: false }),
        }
    }

    /// The same, but what has to be made is not kept: the next one may have better luck.
    ///
    /// # Errors
    /// The problem with making it.
    pub(crate) async fn get_or_make<F>(
        &self,
        key: &K,
        stamp: Stamp,
        make: impl FnOnce() -> F,
    ) -> Result<Served, Problem>
    where
        F: Future<Output = Result<Encoded, Problem>>,
    {
        let old = match self.look(key, stamp) {
            Look::Fresh(entry) | Look::Aging(entry) => return Ok(self.hit(entry)),
            Look::Old(old) => old,
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        let made = Box::pin(make()).await.map(|answer| Arc::new(Entry::new(answer, stamp)));
        match old {
            Some(old) if self.outlasts(&old) => self.made_or(made, old),
            _ => Ok(Served { entry: made?, stale: false }),
        }
    }

    fn outlasts(&self, old: &Entry) -> bool {
        self.bounds.outlasts_store && old.since.elapsed() < KEPT
    }

    fn hit(&self, entry: Arc<Entry>) -> Served {
        self.hits.fetch_add(1, Ordering::Relaxed);
        Served { entry, stale: false }
    }

    /// What is made where that is soon, else the old one; it goes on being made for the next.
    async fn made_soon(
        self: &Arc<Self>,
        key: &K,
        stamp: Stamp,
        make: impl Future<Output = Result<Encoded, Problem>> + 'static,
        old: Arc<Entry>,
    ) -> Result<Served, Problem> {
        let (cache, key) = (Arc::clone(self), key.clone());
        let making = rt::spawn(async move { cache.made(&key, stamp, make).await });
        match timeout(PATIENCE, making).await {
            Ok(Ok(made)) => self.made_or(made, old),
            Ok(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is ending.
                Err(_) => Ok(self.overtaken(old)),
            },
            Err(_) => Ok(self.overtaken(old)),
        }
    }

    fn made_or(
        &self,
        made: Result<Arc<Entry>, Problem>,
        old: Arc<Entry>,
    ) -> Result<Served, Problem> {
        match made {
            Ok(entry) => Ok(Served { entry, stale: false }),
            Err(problem) if problem.code() == ErrorCode::StoreUnavailable => {
                Ok(self.overtaken(old))
            }
            Err(problem) => Err(problem),
        }
    }

    fn overtaken(&self, entry: Arc<Entry>) -> Served {
        self.stale.fetch_add(1, Ordering::Relaxed);
        Served { entry, stale: true }
    }

    fn look(&self, key: &K, stamp: Stamp) -> Look {
        let Some(Kept { entry, .. }) = self.entries.get(key) else { return Look::Old(None) };
        if entry.stamp != stamp {
            return Look::Old(Some(entry));
        }
        let (age, max_age) = (entry.since.elapsed(), self.bounds.max_age);
        let alone = self.alone.now();
        let max_age = if alone { max_age.min(MAX_AGE_ALONE) } else { max_age };
        if age < max_age {
            Look::Fresh(entry)
        } else if age < max_age + GRACE && !alone {
            Look::Aging(entry)
        } else {
            Look::Old(Some(entry))
        }
    }

    async fn made(
        &self,
        key: &K,
        stamp: Stamp,
        make: impl Future<Output = Result<Encoded, Problem>>,
    ) -> Result<Arc<Entry>, Problem> {
        let flight = (key.clone(), stamp);
        let making = async {
            // Who looked before the last one was done comes after it.
            if let Look::Fresh(entry) = self.look(key, stamp) {
                return Ok(entry);
            }
            let entry = Arc::new(Entry::new(make.await?, stamp));
            let newer =
                self.entries.peek(key).is_some_and(|other| other.entry.stamp.is_after(stamp));
            if !newer {
                self.entries.insert(key.clone(), Arc::clone(&entry).into());
            }
            Ok(entry)
        };
        let made = self.under_way.get_with(flight.clone(), making).await;
        self.under_way.invalidate(&flight).await;
        made
    }

    async fn renew(
        self: Arc<Self>,
        key: K,
        entry: Arc<Entry>,
        make: impl Future<Output = Result<Encoded, Problem>>,
    ) {
        if let Err(problem) = self.made(&key, entry.stamp, make).await {
            tracing::warn!(code = problem.code().as_str(), "an answer could not be made anew");
            entry.renewing.store(false, Ordering::Release);
        }
    }

    /// What was given for a key, as the answer to a request: 304, or the body in the coding that was
    /// agreed on.
    pub(crate) async fn respond(
        &self,
        req: &HttpRequest,
        key: &K,
        served: &Served,
    ) -> HttpResponse {
        let Served { entry, .. } = served;
        let coding = coding(req);
        let mut response = match entry.answer.tag() {
            Tag::OfBody(tag) => match conditional::not_modified(req, tag, coding) {
                Some(not_modified) => return not_modified,
                None => conditional::modified(tag, coding),
            },
            Tag::Version(version) => {
                let mut response = HttpResponse::Ok();
                response.insert_header((header::ETAG, conditional::version_tag(*version)));
                response
            }
        };
        response.insert_header((header::CONTENT_TYPE, JSON));
        let held = entry.answer.bytes();
        let Some(body) = entry.answer.coded(coding).await else {
            return response.body(entry.answer.body());
        };
        if entry.answer.bytes() != held {
            self.weigh_again(key, entry);
        }
        response.insert_header((header::CONTENT_ENCODING, coding.to_header_value())).body(body)
    }

    fn weigh_again(&self, key: &K, entry: &Arc<Entry>) {
        // What comes between the two is of the same key, and no worse than what is put in its place.
        if self.entries.peek(key).is_some_and(|found| Arc::ptr_eq(&found.entry, entry)) {
            self.entries.insert(key.clone(), Arc::clone(entry).into());
        }
    }

    /// Counts since the start, and what is held now.
    pub(crate) fn status(&self) -> CacheStatus {
        CacheStatus {
            name: self.bounds.name,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            bytes: self.entries.weight(),
        }
    }
}

impl Entry {
    fn new(answer: Encoded, stamp: Stamp) -> Self {
        Self { answer, stamp, since: Instant::now(), renewing: AtomicBool::new(false) }
    }
}

#[cfg(test)]
mod tests;
