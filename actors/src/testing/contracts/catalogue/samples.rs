//! Movies, queries, and the answer that every store has to give.

use std::cmp::Ordering;

use jiff::civil::{Date, date};
use rand::{RngExt, rngs::StdRng};

use crate::domain::{
    CastMember, Entitlement, EntitlementMode, GenreId, GenreMode, GenreSet, Movie, MovieDetails,
    MovieFilter, MovieId, MovieQuery, MovieSort, MovieSortKey, Page, PageRequest, Timestamp,
};

/// The genres that generated movies and queries draw from.
pub const GENRES: [i64; 6] = [12, 18, 28, 35, 878, 10770];

const WORDS: [&str; 12] = [
    "Ärger",
    "ÄRGER",
    "straße",
    "STRASSE",
    "100% Wolf",
    "100 Wolf",
    "under_score",
    "underXscore",
    "ΟΔΥΣΣΕΥΣ",
    "İstanbul",
    "the \"End\"",
    "",
];
const FRAGMENTS: [&str; 13] =
    ["", "är", "ÄR", "ß", "ss", "%", "_", "wolf", "ΣΕΥΣ", "i̇st", "\"", "end", "nowhere"];

/// A movie's id.
#[must_use]
pub fn movie_id(number: i64) -> MovieId {
    MovieId::try_from(number).unwrap()
}

/// A genre's id.
#[must_use]
pub fn genre_id(number: i64) -> GenreId {
    GenreId::try_from(number).unwrap()
}

/// A set of genres.
#[must_use]
pub fn genres(numbers: &[i64]) -> GenreSet {
    numbers.iter().copied().map(genre_id).collect()
}

/// A movie with every field set and no details.
#[must_use]
pub fn movie(number: i64, of: &[i64]) -> Movie {
    Movie {
        id: movie_id(number),
        title: format!("Title {number}"),
        original_title: format!("Titre {number}"),
        original_language: "fr".to_owned(),
        overview: "Somebody's \"story\",\nwith \\ and 🎬.".to_owned(),
        release_date: Some(date(1999, 10, 15)),
        genres: genres(of),
        popularity: 63.8693,
        vote_average: 8.438,
        vote_count: 29_000,
        poster_path: Some("/poster.jpg".to_owned()),
        backdrop_path: None,
        details: None,
        fetched_at: Timestamp::from_millis(1_700_000_000_123),
    }
}

/// Details with every field set.
#[must_use]
pub fn details() -> MovieDetails {
    MovieDetails {
        runtime: Some(139),
        tagline: "Mischief.".to_owned(),
        status: "Released".to_owned(),
        homepage: Some("https://example.org/film".to_owned()),
        imdb_id: Some("tt0137523".to_owned()),
        budget: Some(63_000_000),
        revenue: None,
        countries: vec!["US".to_owned(), "DE".to_owned()],
        cast: vec![CastMember { name: "Zoë".to_owned(), character: String::new() }],
        directors: vec!["D. F.".to_owned()],
        fetched_at: Timestamp::from_millis(1_700_000_000_456),
    }
}

/// A query of everything that these genres permit.
#[must_use]
pub fn everything(permitted: &[i64]) -> MovieQuery {
    filtered(permitted, MovieFilter::default())
}

/// A query with a filter, in the default order.
#[must_use]
pub fn filtered(permitted: &[i64], filter: MovieFilter) -> MovieQuery {
    let entitlement = Entitlement { genres: genres(permitted), mode: EntitlementMode::Any };
    MovieQuery::new(filter, entitlement, MovieSort::default()).unwrap()
}

/// What a store that holds `movies` has to answer.
#[must_use]
pub fn expected(movies: &[Movie], query: &MovieQuery, page: PageRequest) -> Page<Movie> {
    let mut found: Vec<Movie> =
        movies.iter().filter(|movie| query.matches(movie)).cloned().collect();
    found.sort_by(|one, other| compare(query.sort, one, other));
    Page::cut(found.into_iter(), page)
}

fn compare(sort: MovieSort, one: &Movie, other: &Movie) -> Ordering {
    let by_key = match sort.key {
        MovieSortKey::Popularity => one.popularity.total_cmp(&other.popularity),
        MovieSortKey::Rating => one.vote_average.total_cmp(&other.vote_average),
        MovieSortKey::ReleaseDate => one.release_date.cmp(&other.release_date),
        MovieSortKey::Title => one.title.to_lowercase().cmp(&other.title.to_lowercase()),
    };
    let by_key = if sort.descending { by_key.reverse() } else { by_key };
    by_key.then(one.id.cmp(&other.id))
}

/// A movie with many values that others have too, so that filters hit and orders tie.
pub fn random_movie(random: &mut StdRng, number: i64) -> Movie {
    let of: Vec<i64> = GENRES.into_iter().filter(|_| random.random_bool(0.3)).collect();
    Movie {
        title: format!("{} {}", pick(random, &WORDS), pick(random, &WORDS)),
        original_title: format!("{}-{}", pick(random, &WORDS), pick(random, &WORDS)),
        original_language: pick(random, &["en", "de", ""]).to_owned(),
        release_date: random.random_bool(0.9).then(|| random_date(random)),
        popularity: pick(random, &[0.0, 0.1, 1.5, 10.25, 0.1 + 0.2, 99.999]),
        vote_average: f64::from(random.random_range(0..=20)) / 2.0,
        details: random.random_bool(0.3).then(details),
        ..movie(number, &of)
    }
}

fn random_date(random: &mut StdRng) -> Date {
    let year = random.random_range(1990..=1997);
    if random.random_bool(0.3) { date(year, 1, 1) } else { date(year, 12, 31) }
}

/// A query that uses any mix of filters, and a page of it.
pub fn random_query(random: &mut StdRng) -> (MovieQuery, PageRequest) {
    loop {
        let filter = MovieFilter {
            genres: random_genres(random, 0.2),
            genre_mode: pick(random, &[GenreMode::Any, GenreMode::All]),
            excluded_genres: random_genres(random, 0.08),
            year_from: random.random_bool(0.2).then(|| random.random_range(1989..=1998)),
            year_to: random.random_bool(0.2).then(|| random.random_range(1989..=1998)),
            min_rating: random
                .random_bool(0.3)
                .then(|| f64::from(random.random_range(0..=20)) / 2.0),
            language: random.random_bool(0.2).then(|| pick(random, &["en", "de", "", "xx"]).into()),
            text: random.random_bool(0.4).then(|| pick(random, &FRAGMENTS).to_owned()),
        };
        let entitlement = Entitlement {
            genres: random_genres(random, 0.6),
            mode: pick(random, &[EntitlementMode::Any, EntitlementMode::All]),
        };
        let sort = MovieSort {
            key: pick(
                random,
                &[
                    MovieSortKey::Popularity,
                    MovieSortKey::Rating,
                    MovieSortKey::ReleaseDate,
                    MovieSortKey::Title,
                ],
            ),
            descending: random.random_bool(0.5),
        };
        let watched: Vec<MovieId> =
            (1..=400).filter(|_| random.random_bool(0.3)).map(movie_id).collect();
        let size = pick(random, &[1, 7, 20, 100]);
        let page = PageRequest::new(random.random_range(1..=4), size).unwrap();
        if let Some(query) = MovieQuery::new(filter, entitlement, sort) {
            return match random.random_range(0..4) {
                0 => (query.with_watched(true, watched), page),
                1 => (query.with_watched(false, watched), page),
                _ => (query, page),
            };
        }
    }
}

fn random_genres(random: &mut StdRng, share: f64) -> GenreSet {
    GENRES.into_iter().filter(|_| random.random_bool(share)).map(genre_id).collect()
}

fn pick<T: Copy>(random: &mut StdRng, among: &[T]) -> T {
    among[random.random_range(0..among.len())]
}
