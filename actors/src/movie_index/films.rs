//! The films of an index, in columns, by ascending id. A film is known by its place.

use std::{cmp::Ordering, collections::HashMap, hash::Hash};

use crate::domain::{GenreSet, MovieId, MovieRow, MovieSortKey};

/// Ends each title. No text holds it: it is not UTF-8.
pub(super) const END: u8 = 0xff;
/// A date that is not known is smaller than any other.
const UNKNOWN: i32 = i32::MIN;

/// What lists are made of, of every film.
#[derive(Default)]
pub(super) struct Films {
    ids: Vec<MovieId>,
    popularity: Vec<f64>,
    ratings: Vec<f64>,
    released: Vec<i32>,
    languages: Coded<String>,
    genres: Coded<GenreSet>,
    /// Of each film the title and, where it is another, the original title; in lower case, each
    /// with its [`END`].
    titles: Vec<u8>,
    /// Where the titles of each film end.
    ends: Vec<usize>,
}

/// A column of values that many films share.
struct Coded<T> {
    codes: Vec<u32>,
    values: Vec<T>,
    known: HashMap<T, u32>,
}

impl<T> Default for Coded<T> {
    fn default() -> Self {
        Self { codes: Vec::new(), values: Vec::new(), known: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Coded<T> {
    fn push(&mut self, value: &T) {
        let code = self.known.get(value).copied().unwrap_or_else(|| {
            let code = number(self.values.len());
            self.values.push(value.clone());
            self.known.insert(value.clone(), code);
            code
        });
        self.codes.push(code);
    }

    fn of(&self, film: u32) -> &T {
        &self.values[self.codes[film as usize] as usize]
    }
}

/// A place or a code. There are fewer films than identifiers, of which there are 2³¹.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Films {
    /// Adds a film whose id is greater than that of every other.
    pub(super) fn push(&mut self, row: &MovieRow) {
        self.ids.push(row.id);
        self.popularity.push(row.popularity);
        self.ratings.push(row.vote_average);
        self.released.push(row.released.unwrap_or(UNKNOWN));
        self.languages.push(&row.original_language);
        self.genres.push(&row.genres);
        self.titles.extend_from_slice(row.title_key.as_bytes());
        self.titles.push(END);
        if row.original_title_key != row.title_key {
            self.titles.extend_from_slice(row.original_title_key.as_bytes());
            self.titles.push(END);
        }
        self.ends.push(self.titles.len());
    }

    /// Gives back what was reserved for more films.
    pub(super) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.popularity.shrink_to_fit();
        self.ratings.shrink_to_fit();
        self.released.shrink_to_fit();
        self.languages.codes.shrink_to_fit();
        self.genres.codes.shrink_to_fit();
        self.titles.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn len(&self) -> u32 {
        number(self.ids.len())
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let each = size_of::<MovieId>()
            + 2 * size_of::<f64>()
            + size_of::<i32>()
            + 2 * size_of::<u32>()
            + size_of::<usize>();
        self.ids.len() * each + self.titles.len()
    }

    pub(super) fn id(&self, film: u32) -> MovieId {
        self.ids[film as usize]
    }

    pub(super) fn find(&self, id: MovieId) -> Option<u32> {
        self.ids.binary_search(&id).ok().map(number)
    }

    /// The films whose ids come after one (all when `None`), up to another (all when `None`).
    pub(super) fn between(
        &self,
        after: Option<MovieId>,
        to: Option<MovieId>,
    ) -> impl Iterator<Item = u32> + use<> {
        let place = |id: MovieId| self.ids.partition_point(|other| *other <= id);
        let end = to.map_or(self.ids.len(), place);
        number(after.map_or(0, place))..number(end)
    }

    pub(super) fn ratings(&self) -> &[f64] {
        &self.ratings
    }

    /// The year of release.
    pub(super) fn years(&self) -> impl Iterator<Item = Option<i32>> + '_ {
        let year = |released: &i32| (*released != UNKNOWN).then(|| released.div_euclid(10_000));
        self.released.iter().map(year)
    }

    /// Every set of genres that films have, and each film's place among them.
    pub(super) fn genre_sets(&self) -> (&[GenreSet], &[u32]) {
        (&self.genres.values, &self.genres.codes)
    }

    /// The same of languages.
    pub(super) fn languages(&self) -> (&[String], &[u32]) {
        (&self.languages.values, &self.languages.codes)
    }

    /// The titles of a film, each with its [`END`].
    pub(super) fn titles(&self, film: u32) -> &[u8] {
        let place = film as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.titles[start..self.ends[place]]
    }

    /// The titles of all, one after another, and where those of each film end.
    pub(super) fn all_titles(&self) -> (&[u8], &[usize]) {
        (&self.titles, &self.ends)
    }

    fn title(&self, film: u32) -> &[u8] {
        let titles = self.titles(film);
        &titles[..memchr::memchr(END, titles).unwrap_or(titles.len())]
    }

    /// Compares a film with one of another index, or of this one, by what they are sorted by.
    pub(super) fn compare(
        &self,
        key: MovieSortKey,
        film: u32,
        others: &Self,
        other: u32,
    ) -> Ordering {
        let (one, two) = (film as usize, other as usize);
        match key {
            MovieSortKey::Popularity => self.popularity[one].total_cmp(&others.popularity[two]),
            MovieSortKey::Rating => self.ratings[one].total_cmp(&others.ratings[two]),
            MovieSortKey::ReleaseDate => self.released[one].cmp(&others.released[two]),
            MovieSortKey::Title => self.title(film).cmp(others.title(other)),
        }
    }

    /// A number that sorts like the key, as far as it reaches: of titles the first eight bytes.
    pub(super) fn prefix(&self, key: MovieSortKey, film: u32) -> u64 {
        let place = film as usize;
        match key {
            MovieSortKey::Popularity => sortable(self.popularity[place]),
            MovieSortKey::Rating => sortable(self.ratings[place]),
            MovieSortKey::ReleaseDate => {
                u64::from(self.released[place].cast_unsigned() ^ (1 << 31))
            }
            MovieSortKey::Title => {
                let mut first = [0; 8];
                first.iter_mut().zip(self.title(film)).for_each(|(byte, of)| *byte = *of);
                u64::from_be_bytes(first)
            }
        }
    }

    /// A film as it was pushed.
    pub(super) fn row(&self, film: u32) -> MovieRow {
        let place = film as usize;
        let mut titles = self.titles(film).split(|byte| *byte == END);
        let mut text = || String::from_utf8_lossy(titles.next().unwrap_or_default()).into_owned();
        let (title_key, original) = (text(), text());
        // What follows the end of a single title is nothing; so is an original title without
        // a letter, but then there is one more end.
        let single = self.titles(film).len() == title_key.len() + 1;
        let original_title_key = if single { title_key.clone() } else { original };
        MovieRow {
            id: self.id(film),
            title_key,
            original_title_key,
            original_language: self.languages.of(film).clone(),
            released: Some(self.released[place]).filter(|date| *date != UNKNOWN),
            genres: self.genres.of(film).clone(),
            popularity: self.popularity[place],
            vote_average: self.ratings[place],
        }
    }
}

/// A number that sorts as `total_cmp` does.
fn sortable(number: f64) -> u64 {
    let bits = number.to_bits();
    let negative = bits >> 63 == 1;
    if negative { !bits } else { bits | (1 << 63) }
}
