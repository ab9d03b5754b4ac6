//! The index answers what filtering and sorting all films would, whatever is asked and however
//! films have changed since it was made.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::civil::date;
use proptest::{collection::vec, option, prelude::*, sample::select};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use watchme_actors::{
    domain::{
        Entitlement, EntitlementMode, GenreMode, GenreSet, Movie, MovieFilter, MovieId, MovieQuery,
        MovieRow, MovieSort, MovieSortKey, PageRequest,
    },
    movie_index::MovieIndex,
    testing::contracts::catalogue::samples::{
        expected, genre_id, movie, movie_id, random_movie, random_query,
    },
};

const TITLES: [&str; 12] = [
    "",
    "a",
    "ab",
    "Aß",
    "ÄRGER",
    "ärger",
    "日本の映画",
    "日本",
    "the end",
    "The \u{0}End",
    "ΣΑΣ",
    "i̇İ",
];
const TEXTS: [&str; 12] =
    ["", "a", "b", "AB", "ß", "rge", "ÄRGER", "日", "本の", "the end", "\u{0}", "ΣΑΣ"];
const RATINGS: [f64; 8] = [-0.0, 0.0, 0.1 + 0.2, 4.999_999, 5.0, 5.000_001, 7.25, 10.0];
const POPULARITY: [f64; 6] = [-0.0, 0.0, f64::MIN_POSITIVE, 0.1 + 0.2, 1.5, 1e300];

fn genre_sets(most: usize) -> impl Strategy<Value = GenreSet> {
    vec(1_i64..7, 0..=most).prop_map(|ids| ids.into_iter().map(genre_id).collect())
}

fn movies(ids: std::ops::Range<i64>) -> impl Strategy<Value = Movie> {
    let released = option::weighted(0.8, (1990_i16..1996, select(vec![1_i8, 12]), 1_i8..3));
    let titles = (select(&TITLES[..]), select(&TITLES[..]));
    let numbers = (select(&POPULARITY[..]), select(&RATINGS[..]));
    let language = select(vec!["", "en", "de", "xx"]);
    (ids, genre_sets(4), released, titles, numbers, language).prop_map(
        |(id, genres, released, titles, numbers, language)| Movie {
            genres,
            release_date: released.map(|(year, month, day)| date(year, month, day)),
            title: titles.0.to_owned(),
            original_title: titles.1.to_owned(),
            popularity: numbers.0,
            vote_average: numbers.1,
            original_language: language.to_owned(),
            ..movie(id, &[])
        },
    )
}

fn filters() -> impl Strategy<Value = MovieFilter> {
    let years = || option::weighted(0.2, 1988_i16..1998);
    let rating = option::weighted(0.3, prop_oneof![select(&RATINGS[..]), 0.0..10.0]);
    let language = option::weighted(0.2, select(vec!["", "en", "de", "none"]));
    let text = option::weighted(0.4, select(&TEXTS[..]));
    let genres = (genre_sets(3), any::<bool>(), genre_sets(2), any::<[bool; 2]>());
    (genres, years(), years(), rating, language, text).prop_map(
        |((genres, all, excluded, use_them), year_from, year_to, min_rating, language, text)| {
            MovieFilter {
                genres: if use_them[0] { genres } else { GenreSet::default() },
                genre_mode: if all { GenreMode::All } else { GenreMode::Any },
                excluded_genres: if use_them[1] { excluded } else { GenreSet::default() },
                year_from,
                year_to,
                min_rating,
                language: language.map(str::to_owned),
                text: text.map(str::to_owned),
            }
        },
    )
}

/// Any query, also one of which the parts could not have met.
fn queries() -> impl Strategy<Value = MovieQuery> {
    let keys = vec![
        MovieSortKey::Popularity,
        MovieSortKey::Rating,
        MovieSortKey::ReleaseDate,
        MovieSortKey::Title,
    ];
    let watched = (option::weighted(0.4, any::<bool>()), vec(1_i64..60, 0..20));
    (filters(), genre_sets(6), any::<bool>(), select(keys), any::<bool>(), watched).prop_map(
        |(filter, genres, all, key, descending, (watched, movies))| {
            let mode = if all { EntitlementMode::All } else { EntitlementMode::Any };
            let watched_movies =
                watched.map_or_else(Vec::new, |_| movies.into_iter().map(movie_id).collect());
            MovieQuery {
                filter,
                entitlement: Entitlement { genres, mode },
                watched,
                watched_movies,
                sort: MovieSort { key, descending },
            }
        },
    )
}

fn index_of(movies: &BTreeMap<MovieId, Movie>) -> MovieIndex {
    movies.values().map(MovieRow::from).collect()
}

/// Asks for every page of a size, and one beyond.
fn is_answered(index: &MovieIndex, movies: &[Movie], query: &MovieQuery, size: u32) {
    for number in 1.. {
        let page = PageRequest::new(number, size).unwrap();
        let expected = expected(movies, query, page);
        let listing = index.list(query, page);
        let ids: Vec<MovieId> = expected.items.iter().map(|movie| movie.id).collect();
        assert_eq!((listing.ids, listing.total_items), (ids, expected.total_items), "{query:?}");
        if expected.items.is_empty() {
            return;
        }
    }
}

proptest! {
    #[test]
    fn it_answers_like_a_filter_and_a_sort(
        stored in vec(movies(1..60), 0..50),
        changed in vec(movies(1..70), 0..20),
        gone in vec(1_i64..70, 0..8),
        queries in vec(queries(), 1..6),
        size in 1_u32..12,
    ) {
        let mut stored: BTreeMap<MovieId, Movie> =
            stored.into_iter().map(|movie| (movie.id, movie)).collect();
        let index = index_of(&stored);
        let before: Vec<Movie> = stored.values().cloned().collect();
        queries.iter().for_each(|query| is_answered(&index, &before, query, size));

        let mut changes: BTreeMap<MovieId, Option<MovieRow>> = BTreeMap::new();
        for movie in changed {
            changes.insert(movie.id, Some(MovieRow::from(&movie)));
            stored.insert(movie.id, movie);
        }
        for id in gone.into_iter().map(movie_id) {
            changes.insert(id, None);
            stored.remove(&id);
        }
        let changed = index.with_changes(changes.iter().map(|(id, row)| (*id, row.as_ref())));
        let after: Vec<Movie> = stored.values().cloned().collect();
        for index in [&changed, &changed.made_whole()] {
            assert_eq!(index.films(), after.len() as u64);
            queries.iter().for_each(|query| is_answered(index, &after, query, size));
        }
        // What was published before stays as it was.
        queries.iter().for_each(|query| is_answered(&index, &before, query, size));
    }
}

#[test]
fn it_answers_the_same_where_films_fill_several_containers() {
    let mut random = StdRng::seed_from_u64(5);
    let mut movies: Vec<Movie> = (1..=70_000).map(|id| random_movie(&mut random, id)).collect();
    let index: MovieIndex = movies.iter().map(MovieRow::from).collect();
    let mut changes: BTreeMap<MovieId, Option<MovieRow>> = BTreeMap::new();
    for _ in 0..300 {
        let place = random.random_range(0..movies.len());
        let changed = random_movie(&mut random, i64::from(movies[place].id.get()));
        changes.insert(changed.id, Some(MovieRow::from(&changed)));
        movies[place] = changed;
    }
    let index = index.with_changes(changes.iter().map(|(id, row)| (*id, row.as_ref())));
    for _ in 0..12 {
        let (query, page) = random_query(&mut random);
        let total = expected(&movies, &query, page).total_items;
        let last = u32::try_from(total.div_ceil(u64::from(page.size()))).unwrap();
        let middle = random.random_range(1..=last.max(1));
        for number in [1, middle, last.max(1), last + 1] {
            let page = PageRequest::new(number, page.size()).unwrap();
            let expected = expected(&movies, &query, page);
            let listing = index.list(&query, page);
            let ids: Vec<MovieId> = expected.items.iter().map(|movie| movie.id).collect();
            assert_eq!((listing.ids, listing.total_items), (ids, total), "{query:?} {page:?}");
        }
    }
}

#[test]
fn without_films_it_answers_with_nothing() {
    let index: MovieIndex = [].into_iter().collect();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..100 {
        let (query, page) = random_query(&mut random);
        let listing = index.list(&query, page);
        assert_eq!((listing.ids.len(), listing.total_items), (0, 0));
    }
}
