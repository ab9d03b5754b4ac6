//! The index as it is published: most films in one part that is seldom made anew, and the few that
//! have changed since in another, so that a change costs what it concerns and not the catalogue.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use roaring::RoaringBitmap;

use super::{films::Films, list_key::ListKey, segment::Segment};
use crate::domain::{MovieId, MovieQuery, MovieRow, MovieSort, PageRequest};

/// What the lists that are remembered may take.
const REMEMBERED_BYTES: u64 = 16 * 1024 * 1024;
/// Of many films there is room for about as many lists. The cache is one shard then: of several none
/// would keep what is larger than its part of the bytes.
const LISTS: usize = 32;
/// What one of them takes besides its bitmaps, about.
const OVERHEAD: usize = 512;
/// Up to this many films any list is made in less time than it takes to hand it to another thread.
const FEW: u64 = 50_000;

/// Answers which films stand on a page of a list, and how many the list has. Never changes.
pub struct MovieIndex {
    main: Arc<Segment>,
    /// Those films of `main` that have changed or gone since, by their place.
    outdated: RoaringBitmap,
    /// What has changed since, or is new.
    recent: Segment,
    lists: Cache<ListKey, Arc<List>, ByBytes>,
    films: u64,
    bytes: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The films of the page, in order.
    pub ids: Vec<MovieId>,
    /// Films of the whole list.
    pub total_items: u64,
}

/// What a query finds.
struct List {
    /// Ranks in `main`, without those that are outdated.
    main: Arc<RoaringBitmap>,
    /// Ranks in `recent`.
    recent: Arc<RoaringBitmap>,
    /// The films of `recent`, and where each stands in the whole list; ascending.
    spliced: Vec<(u64, MovieId)>,
    total: u64,
}

impl FromIterator<MovieRow> for MovieIndex {
    /// Of rows that come by ascending id.
    fn from_iter<I: IntoIterator<Item = MovieRow>>(rows: I) -> Self {
        let mut films = Films::default();
        rows.into_iter().for_each(|row| films.push(&row));
        Self::of(Arc::new(Segment::new(films)), [])
    }
}

impl MovieIndex {
    /// All films of a segment but for changes, by ascending id; `None` where a film is gone.
    pub(super) fn of<'a>(
        main: Arc<Segment>,
        changes: impl IntoIterator<Item = (MovieId, Option<&'a MovieRow>)>,
    ) -> Self {
        let mut films = Films::default();
        let mut outdated = RoaringBitmap::new();
        for (id, row) in changes {
            outdated.extend(main.films.find(id));
            row.into_iter().for_each(|row| films.push(row));
        }
        let recent = Segment::new(films);
        let lists = Cache::with_weighter(LISTS, REMEMBERED_BYTES, ByBytes);
        let films = u64::from(main.films.len()) - outdated.len() + u64::from(recent.films.len());
        let bytes = main.bytes() + recent.bytes();
        Self { main, outdated, recent, lists, films, bytes }
    }

    /// The same index but for changes since it was made whole, by ascending id; `None` where a
    /// film is gone. They come in place of earlier ones.
    #[must_use]
    pub fn with_changes<'a>(
        &self,
        changes: impl IntoIterator<Item = (MovieId, Option<&'a MovieRow>)>,
    ) -> Self {
        Self::of(Arc::clone(&self.main), changes)
    }

    /// The same films, all in one part.
    #[must_use]
    pub fn made_whole(&self) -> Self {
        Self::of(Arc::new(self.whole()), [])
    }

    pub(super) fn whole(&self) -> Segment {
        let mut films = Films::default();
        for (id, is_recent) in self.ids(None, None) {
            let part = if is_recent { &self.recent } else { &self.main };
            part.films.find(id).into_iter().for_each(|film| films.push(&part.films.row(film)));
        }
        Segment::new(films)
    }

    /// The ids after one (all when `None`) up to another (all when `None`), ascending, and
    /// whether each has changed.
    fn ids(
        &self,
        after: Option<MovieId>,
        to: Option<MovieId>,
    ) -> impl Iterator<Item = (MovieId, bool)> + '_ {
        let main = &self.main.films;
        let current = main.between(after, to).filter(|film| !self.outdated.contains(*film));
        let mut current = current.map(|film| main.id(film)).peekable();
        let recent = self.recent.films.between(after, to);
        let mut recent = recent.map(|film| self.recent.films.id(film)).peekable();
        std::iter::from_fn(move || match (current.peek(), recent.peek()) {
            (Some(one), Some(other)) if one < other => Some((current.next()?, false)),
            (_, Some(_)) => Some((recent.next()?, true)),
            (_, None) => Some((current.next()?, false)),
        })
    }

    /// A film as it is here.
    fn row(&self, id: MovieId) -> Option<MovieRow> {
        if let Some(film) = self.recent.films.find(id) {
            return Some(self.recent.films.row(film));
        }
        let film = self.main.films.find(id).filter(|film| !self.outdated.contains(*film))?;
        Some(self.main.films.row(film))
    }

    /// What is different in `rows`, which are all that there are after one id (all when `None`)
    /// up to another (all when `None`).
    pub(super) fn differences(
        &self,
        after: Option<MovieId>,
        to: Option<MovieId>,
        rows: Vec<MovieRow>,
    ) -> Vec<(MovieId, Option<MovieRow>)> {
        let is_there = |id: MovieId| rows.binary_search_by_key(&id, |row| row.id).is_ok();
        let ids = self.ids(after, to).map(|(id, _)| id);
        let mut different: Vec<_> = ids.filter(|id| !is_there(*id)).map(|id| (id, None)).collect();
        let changed = rows.into_iter().filter(|row| self.row(row.id).as_ref() != Some(row));
        different.extend(changed.map(|row| (row.id, Some(row))));
        different
    }

    /// How many films it has.
    #[must_use]
    pub fn films(&self) -> u64 {
        self.films
    }

    /// Bytes that it takes, about; lists that are remembered, and the sets that
    /// they are made of, take 16 MiB each more at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a list takes microseconds only.
    pub(super) fn is_quick(&self, query: &MovieQuery) -> bool {
        self.films <= FEW
            || (query.watched.is_none() && self.lists.contains_key(&ListKey::of(query)))
    }

    /// A page of the films that [`MovieQuery::matches`], in the query's order, ties by ascending
    /// id, with the exact count.
    #[must_use]
    pub fn list(&self, query: &MovieQuery, page: PageRequest) -> Listing {
        let list = self.found(query);
        let (offset, end) = (page.offset(), page.offset() + u64::from(page.size()));
        if offset >= list.total {
            return Listing { ids: Vec::new(), total_items: list.total };
        }
        let first = list.spliced.partition_point(|(place, _)| *place < offset);
        let skip = u32::try_from(offset - first as u64).unwrap_or(u32::MAX);
        let MovieSort { key, descending } = query.sort;
        let main = self.main.order(key).page(&list.main, descending, skip, page.size() as usize);
        let mut main = main.into_iter().map(|film| self.main.films.id(film));
        let mut spliced = list.spliced[first..].iter().peekable();
        let ids = (offset..end.min(list.total)).map_while(|place| {
            let here = spliced.next_if(|(at, _)| *at == place);
            here.map(|(_, id)| *id).or_else(|| main.next())
        });
        Listing { ids: ids.collect(), total_items: list.total }
    }

    fn found(&self, query: &MovieQuery) -> Arc<List> {
        let key = ListKey::of(query);
        let all = match self.lists.get(&key) {
            Some(list) => list,
            None => {
                let list = Arc::new(self.find(key.query()));
                self.lists.insert(key, Arc::clone(&list));
                list
            }
        };
        let Some(watched) = query.watched else { return all };
        let part = |segment: &Segment, found: &RoaringBitmap| {
            let ranks = segment.ranks_of(query.sort.key, &query.watched_movies);
            Arc::new(if watched { found & ranks } else { found - ranks })
        };
        let (main, recent) = (part(&self.main, &all.main), part(&self.recent, &all.recent));
        Arc::new(self.spliced(query.sort, main, recent))
    }

    fn find(&self, query: &MovieQuery) -> List {
        let mut main = self.main.matching(query);
        if !self.outdated.is_empty() {
            let outdated = self.main.order(query.sort.key).ranks_of(&self.outdated);
            main = Arc::new(&*main - outdated);
        }
        self.spliced(query.sort, main, self.recent.matching(query))
    }

    fn spliced(
        &self,
        sort: MovieSort,
        main: Arc<RoaringBitmap>,
        recent: Arc<RoaringBitmap>,
    ) -> List {
        let MovieSort { key, descending } = sort;
        let films = &self.recent.films;
        let found = usize::try_from(recent.len()).unwrap_or(usize::MAX);
        let in_order = self.recent.order(key).page(&recent, descending, 0, found);
        let order = self.main.order(key);
        let place = |film: u32| order.before(&self.main.films, &main, descending, (films, film));
        let spliced = in_order.into_iter().zip(0..);
        let spliced: Vec<(u64, MovieId)> =
            spliced.map(|(film, earlier)| (place(film) + earlier, films.id(film))).collect();
        let total = main.len() + recent.len();
        List { main, recent, spliced, total }
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ListKey, Arc<List>> for ByBytes {
    fn weight(&self, _: &ListKey, list: &Arc<List>) -> u64 {
        list.bytes() as u64
    }
}

impl List {
    fn bytes(&self) -> usize {
        let spliced = self.spliced.len() * size_of::<(u64, MovieId)>();
        self.main.serialized_size() + self.recent.serialized_size() + spliced + OVERHEAD
    }
}
