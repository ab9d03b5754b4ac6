//! One order of the films, ascending, with bitmaps over the ranks in it.

use std::collections::HashMap;

use roaring::{MultiOps, RoaringBitmap};

use super::{
    films::{Films, number},
    slices::Slices,
};
use crate::domain::{GenreId, GenreSet, MovieSortKey};

/// What is the same in every order: by film, the year and the rating as their place among all.
pub(super) struct Steps {
    /// From 1; 0 where the year is not known.
    pub(super) year_of: Vec<u32>,
    pub(super) rating_of: Vec<u32>,
}

/// The films by one key, ties by ascending id. Descending is the same order read from its end but
/// for ties, which keep their direction.
pub(super) struct Order {
    key: MovieSortKey,
    /// By rank.
    films: Vec<u32>,
    /// By film.
    ranks: Vec<u32>,
    /// The ranks at which another key begins.
    beginnings: RoaringBitmap,
    genres: HashMap<GenreId, RoaringBitmap>,
    languages: HashMap<String, RoaringBitmap>,
    pub(super) years: Slices,
    pub(super) ratings: Slices,
}

impl Order {
    pub(super) fn new(key: MovieSortKey, films: &Films, steps: &Steps) -> Self {
        let (order, beginnings) = sorted(key, films);
        let mut ranks = vec![0; order.len()];
        for (rank, film) in order.iter().enumerate() {
            ranks[*film as usize] = number(rank);
        }
        let by_rank =
            |of: &[u32]| -> Vec<u32> { order.iter().map(|film| of[*film as usize]).collect() };
        let (sets, set_of) = films.genre_sets();
        let genres = grouped(&by_rank(set_of), sets, |set| set.iter().collect());
        let (languages, language_of) = films.languages();
        let languages = grouped(&by_rank(language_of), languages, |it| vec![it.clone()]);
        let years = Slices::new(&by_rank(&steps.year_of));
        let ratings = Slices::new(&by_rank(&steps.rating_of));
        Self { key, films: order, ranks, beginnings, genres, languages, years, ratings }
    }

    /// What it is by.
    pub(super) fn key(&self) -> MovieSortKey {
        self.key
    }

    /// The films that have one of these genres.
    pub(super) fn any_of(&self, genres: &GenreSet) -> RoaringBitmap {
        genres.iter().filter_map(|genre| self.genres.get(&genre)).union()
    }

    /// The films that have all of these genres, of which there is one at least.
    pub(super) fn all_of(&self, genres: &GenreSet) -> RoaringBitmap {
        let none = RoaringBitmap::new();
        genres.iter().map(|genre| self.genres.get(&genre).unwrap_or(&none)).intersection()
    }

    /// The films that have a genre which is none of these.
    pub(super) fn beyond(&self, genres: &GenreSet) -> RoaringBitmap {
        let others = self.genres.iter().filter(|(genre, _)| !genres.contains(**genre));
        others.map(|(_, ranks)| ranks).union()
    }

    /// The films of a language.
    pub(super) fn speaking(&self, language: &str) -> Option<&RoaringBitmap> {
        self.languages.get(language)
    }

    /// The ranks of films, which come once each.
    pub(super) fn ranks_of(&self, films: impl IntoIterator<Item = u32>) -> RoaringBitmap {
        let mut ranks: Vec<u32> = films.into_iter().map(|film| self.ranks[film as usize]).collect();
        if ranks.len() > self.ranks.len() / 64 {
            let mut bytes = vec![0_u8; self.ranks.len().div_ceil(8)];
            ranks.iter().for_each(|rank| bytes[*rank as usize / 8] |= 1 << (rank % 8));
            return RoaringBitmap::from_lsb0_bytes(0, &bytes);
        }
        ranks.sort_unstable();
        ranks.into_iter().collect()
    }

    /// Some of the films that were found, in order.
    pub(super) fn page(
        &self,
        found: &RoaringBitmap,
        descending: bool,
        skip: u32,
        take: usize,
    ) -> Vec<u32> {
        let ranks = if descending {
            self.counted_from_end(found, skip, take)
        } else {
            from_start(found, skip, take)
        };
        ranks.into_iter().map(|rank| self.films[rank as usize]).collect()
    }

    fn counted_from_end(&self, found: &RoaringBitmap, skip: u32, take: usize) -> Vec<u32> {
        let total = number(usize::try_from(found.len()).unwrap_or(usize::MAX));
        let at = total.checked_sub(skip).and_then(|left| found.select(left.checked_sub(1)?));
        let Some(at) = at else { return Vec::new() };
        // Those of the same key keep their order: it goes on within them.
        let mut begin = self.beginning(at);
        let end = self.beginnings.range(at + 1..).next().unwrap_or(u32::MAX);
        let behind = found.range_cardinality(end..);
        let within = usize::try_from(u64::from(skip) - behind).unwrap_or(usize::MAX);
        let mut ranks: Vec<u32> = match within {
            0 => found.range(begin..end).take(take).collect(),
            _ => {
                let before = found.range_cardinality(..begin);
                let first = number(usize::try_from(before).unwrap_or(usize::MAX) + within);
                let first = found.select(first).unwrap_or(end);
                found.range(first..end).take(take).collect()
            }
        };
        while ranks.len() < take
            && let Some(next) = found.range(..begin).next_back()
        {
            begin = self.beginning(next);
            ranks.extend(found.range(begin..=next).take(take - ranks.len()));
        }
        ranks
    }

    /// The rank at which the films of the same key begin.
    fn beginning(&self, rank: u32) -> u32 {
        if self.beginnings.contains(rank) {
            return rank;
        }
        self.beginnings.range(..rank).next_back().unwrap_or(0)
    }

    /// How many of the films that were found stand before one of another index.
    pub(super) fn before(
        &self,
        films: &Films,
        found: &RoaringBitmap,
        descending: bool,
        (others, other): (&Films, u32),
    ) -> u64 {
        let compare = |film: u32| films.compare(self.key, film, others, other);
        let place = self.films.partition_point(|film| {
            compare(*film).then_with(|| films.id(*film).cmp(&others.id(other))).is_lt()
        });
        let before = ..number(place);
        if !descending {
            return found.range_cardinality(before);
        }
        let begin = self.films.partition_point(|film| compare(*film).is_lt());
        let end = self.films.partition_point(|film| compare(*film).is_le());
        found.range_cardinality(number(end)..) + found.range_cardinality(number(begin)..before.end)
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let bitmaps = self.genres.values().chain(self.languages.values());
        let bitmaps = bitmaps.chain([&self.beginnings]).map(RoaringBitmap::serialized_size);
        let places = (self.films.len() + self.ranks.len()) * size_of::<u32>();
        places + bitmaps.sum::<usize>() + self.years.bytes() + self.ratings.bytes()
    }
}

fn from_start(found: &RoaringBitmap, skip: u32, take: usize) -> Vec<u32> {
    let Some(first) = found.select(skip) else { return Vec::new() };
    found.range(first..).take(take).collect()
}

/// The films in order, and the ranks at which another key begins.
fn sorted(key: MovieSortKey, films: &Films) -> (Vec<u32>, RoaringBitmap) {
    let mut keyed: Vec<(u64, u32)> =
        (0..films.len()).map(|film| (films.prefix(key, film), film)).collect();
    let compare = |one: &(u64, u32), other: &(u64, u32)| {
        one.0.cmp(&other.0).then_with(|| films.compare(key, one.1, films, other.1))
    };
    keyed.sort_unstable_by(|one, other| compare(one, other).then(one.1.cmp(&other.1)));
    let is_new = |pair: &[(u64, u32)]| compare(&pair[0], &pair[1]).is_lt();
    let later = keyed.windows(2).zip(1..).filter(|(pair, _)| is_new(pair)).map(|(_, rank)| rank);
    let mut beginnings: RoaringBitmap = keyed.first().map(|_| 0).into_iter().chain(later).collect();
    beginnings.optimize();
    (keyed.into_iter().map(|(_, film)| film).collect(), beginnings)
}

/// The ranks of those that have each thing, where every rank has one of several sets of things.
fn grouped<S, T: Eq + std::hash::Hash>(
    set_by_rank: &[u32],
    sets: &[S],
    things: impl Fn(&S) -> Vec<T>,
) -> HashMap<T, RoaringBitmap> {
    let mut places: HashMap<T, usize> = HashMap::new();
    let mut places_of = Vec::with_capacity(sets.len());
    for set in sets {
        let place = |thing| {
            let next = places.len();
            *places.entry(thing).or_insert(next)
        };
        places_of.push(things(set).into_iter().map(place).collect::<Vec<usize>>());
    }
    let mut ranks: Vec<Vec<u32>> = vec![Vec::new(); places.len()];
    for (rank, set) in set_by_rank.iter().enumerate() {
        for place in &places_of[*set as usize] {
            ranks[*place].push(number(rank));
        }
    }
    let bitmap = |place: usize| {
        let mut bitmap: RoaringBitmap = ranks[place].iter().collect();
        bitmap.optimize();
        bitmap
    };
    places.into_iter().map(|(thing, place)| (thing, bitmap(place))).collect()
}
