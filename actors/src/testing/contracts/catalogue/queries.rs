//! What lists of movies answer.

use jiff::civil::date;
use rand::{SeedableRng, rngs::StdRng};

use super::samples::{
    everything, expected, filtered, genres, movie, movie_id, random_movie, random_query,
};
use crate::{
    domain::{
        Entitlement, EntitlementMode, GenreMode, Movie, MovieFilter, MovieQuery, MovieSort,
        PageRequest,
    },
    testing::DocumentPorts,
};

const MOVIES: i64 = 300;
const QUERIES: usize = 300;

/// The ids of everything that a query finds, in the answer's order.
async fn found(ports: &DocumentPorts, query: &MovieQuery) -> Vec<u32> {
    let page = PageRequest::new(1, 100).unwrap();
    let page = ports.catalogue.movies(query, page).await.unwrap();
    assert_eq!(page.total_items, page.items.len() as u64, "{query:?}");
    page.items.iter().map(|movie| movie.id.get()).collect()
}

async fn store(ports: &DocumentPorts, movies: &[Movie]) {
    ports.catalogue.upsert(movies).await.unwrap();
}

fn with_genres(wanted: &[i64], mode: GenreMode) -> MovieFilter {
    MovieFilter { genres: genres(wanted), genre_mode: mode, ..MovieFilter::default() }
}

/// The entitlement bounds every list, in both of its modes.
pub async fn only_permitted_movies_are_listed(ports: &DocumentPorts) {
    store(ports, &[movie(1, &[18]), movie(2, &[18, 35]), movie(3, &[35]), movie(4, &[])]).await;
    let any = everything(&[18, 12]);
    assert_eq!(found(ports, &any).await, [1, 2]);
    let all = |permitted: &[i64]| {
        let mut query = everything(permitted);
        query.entitlement.mode = EntitlementMode::All;
        query
    };
    assert_eq!(found(ports, &all(&[18, 12])).await, [1]);
    assert_eq!(found(ports, &all(&[18, 35])).await, [1, 2, 3]);
    let nothing = MovieQuery { entitlement: Entitlement::default(), ..any };
    assert!(found(ports, &nothing).await.is_empty());
}

/// One of the requested genres, or all of them.
pub async fn requested_genres_combine_by_their_mode(ports: &DocumentPorts) {
    let movies =
        [movie(1, &[18]), movie(2, &[18, 35]), movie(3, &[35, 28]), movie(4, &[12, 18, 35])];
    store(ports, &movies).await;
    let permitted = [12, 18, 28, 35];
    let ask = |wanted: &[i64], mode| filtered(&permitted, with_genres(wanted, mode));
    assert_eq!(found(ports, &ask(&[18, 12], GenreMode::Any)).await, [1, 2, 4]);
    assert_eq!(found(ports, &ask(&[18, 35], GenreMode::All)).await, [2, 4]);
    assert_eq!(found(ports, &ask(&[12, 28], GenreMode::All)).await, [] as [u32; 0]);
    let mut all_permitted = filtered(&[18, 35], with_genres(&[35], GenreMode::Any));
    all_permitted.entitlement.mode = EntitlementMode::All;
    assert_eq!(found(ports, &all_permitted).await, [2]);
}

/// A movie with one excluded genre is out, whatever else it has.
pub async fn excluded_genres_are_left_out(ports: &DocumentPorts) {
    store(ports, &[movie(1, &[18]), movie(2, &[18, 35]), movie(3, &[18, 28])]).await;
    let filter = MovieFilter { excluded_genres: genres(&[35, 99]), ..MovieFilter::default() };
    assert_eq!(found(ports, &filtered(&[18], filter)).await, [1, 3]);
}

/// First and last year count; a movie without a date has no year.
pub async fn years_are_inclusive(ports: &DocumentPorts) {
    let released = |id, on| Movie { release_date: on, ..movie(id, &[18]) };
    let movies = [
        released(1, Some(date(1998, 12, 31))),
        released(2, Some(date(1999, 1, 1))),
        released(3, Some(date(1999, 12, 31))),
        released(4, Some(date(2000, 1, 1))),
        released(5, None),
    ];
    store(ports, &movies).await;
    let years = |year_from, year_to| {
        filtered(&[18], MovieFilter { year_from, year_to, ..MovieFilter::default() })
    };
    assert_eq!(found(ports, &years(Some(1999), Some(1999))).await, [2, 3]);
    assert_eq!(found(ports, &years(Some(1999), None)).await, [2, 3, 4]);
    assert_eq!(found(ports, &years(None, Some(1999))).await, [1, 2, 3]);
    assert!(found(ports, &years(Some(2000), Some(1999))).await.is_empty());
}

/// The lowest rating itself is good enough.
pub async fn the_lowest_rating_is_inclusive(ports: &DocumentPorts) {
    let rated = |id, vote_average| Movie { vote_average, ..movie(id, &[18]) };
    store(ports, &[rated(1, 7.499), rated(2, 7.5), rated(3, 10.0), rated(4, 0.0)]).await;
    let least = |rating| {
        filtered(&[18], MovieFilter { min_rating: Some(rating), ..MovieFilter::default() })
    };
    assert_eq!(found(ports, &least(7.5)).await, [2, 3]);
    assert_eq!(found(ports, &least(0.0)).await, [1, 2, 3, 4]);
}

/// The code of the original language, as it is.
pub async fn the_language_is_compared_exactly(ports: &DocumentPorts) {
    let spoken = |id, code: &str| Movie { original_language: code.into(), ..movie(id, &[18]) };
    store(ports, &[spoken(1, "en"), spoken(2, "de"), spoken(3, "")]).await;
    let ask = |code: &str| {
        filtered(&[18], MovieFilter { language: Some(code.into()), ..MovieFilter::default() })
    };
    assert_eq!(found(ports, &ask("de")).await, [2]);
    assert!(found(ports, &ask("DE")).await.is_empty());
}

fn titled(id: i64, title: &str, original_title: &str) -> Movie {
    Movie { title: title.into(), original_title: original_title.into(), ..movie(id, &[18]) }
}

fn containing(text: &str) -> MovieQuery {
    filtered(&[18], MovieFilter { text: Some(text.into()), ..MovieFilter::default() })
}

/// Lower case by Unicode's rules, in the title and in the original title.
pub async fn text_is_found_in_either_title_without_regard_to_case(ports: &DocumentPorts) {
    let movies = [
        titled(1, "Über den Wolken", "Above"),
        titled(2, "Nobody", "ÜBERALL"),
        titled(3, "Other", "Else"),
    ];
    store(ports, &movies).await;
    assert_eq!(found(ports, &containing("ÜBER")).await, [1, 2]);
    assert_eq!(found(ports, &containing("wolken")).await, [1]);
    assert_eq!(found(ports, &containing("")).await, [1, 2, 3]);
    assert!(found(ports, &containing("uber")).await.is_empty());
}

/// `%`, `_` and quotes stand for themselves, and no match spans two titles.
pub async fn text_has_no_wildcards_and_stays_within_one_title(ports: &DocumentPorts) {
    let movies = [
        titled(1, "100% a_b", "x"),
        titled(2, "100 axb", "it's \"y\" \\ *"),
        titled(3, "left", "right"),
    ];
    store(ports, &movies).await;
    assert_eq!(found(ports, &containing("0%")).await, [1]);
    assert_eq!(found(ports, &containing("a_b")).await, [1]);
    assert_eq!(found(ports, &containing("it's \"y\" \\ *")).await, [2]);
    for across in ["leftright", "left right", "left\nright", "left\0right"] {
        assert!(found(ports, &containing(across)).await.is_empty(), "{across:?}");
    }
}

/// Only what was watched, or all but that; ids that are not stored do not matter.
pub async fn watched_movies_are_kept_or_left_out(ports: &DocumentPorts) {
    store(ports, &[movie(1, &[18]), movie(2, &[18]), movie(3, &[18]), movie(4, &[35])]).await;
    let watched = [2, 4, 99].map(movie_id).to_vec();
    let query = everything(&[18]);
    assert_eq!(found(ports, &query.clone().with_watched(true, watched.clone())).await, [2]);
    assert_eq!(found(ports, &query.clone().with_watched(false, watched)).await, [1, 3]);
    assert!(found(ports, &query.clone().with_watched(true, Vec::new())).await.is_empty());
    assert_eq!(found(ports, &query.with_watched(false, Vec::new())).await, [1, 2, 3]);
}

/// Ties are broken by ascending id in both directions; unknown dates are the smallest.
pub async fn every_order_is_total(ports: &DocumentPorts) {
    let make = |id, title: &str, popularity, vote_average, release_date| Movie {
        popularity,
        vote_average,
        release_date,
        ..titled(id, title, "x")
    };
    let early = Some(date(1990, 5, 1));
    let late = Some(date(1990, 10, 1));
    let movies = [
        make(4, "beta", 1.0, 9.0, None),
        make(3, "Alpha", 10.0, 9.0, late),
        make(2, "ALPHA", 9.5, 0.0, early),
        make(1, "ärger", 9.5, 10.0, None),
        make(5, "Zeta", 1.0, 10.0, late),
    ];
    store(ports, &movies).await;
    for (sort, order) in [
        ("popularity", [4, 5, 1, 2, 3]),
        ("-popularity", [3, 1, 2, 4, 5]),
        ("rating", [2, 3, 4, 1, 5]),
        ("-rating", [1, 5, 3, 4, 2]),
        ("releaseDate", [1, 4, 2, 3, 5]),
        ("-releaseDate", [3, 5, 2, 1, 4]),
        ("title", [2, 3, 4, 5, 1]),
        ("-title", [1, 5, 4, 2, 3]),
    ] {
        let sort_of = sort.parse::<MovieSort>().unwrap();
        let query = MovieQuery { sort: sort_of, ..everything(&[18]) };
        assert_eq!(found(ports, &query).await, order, "{sort}");
    }
}

/// Every movie is on exactly one page, and the count is that of the whole list.
pub async fn pages_are_exact(ports: &DocumentPorts) {
    // Two permitted genres each: a movie counts once, also where a page skips it.
    let movies: Vec<Movie> = (1..=23).map(|id| movie(id, &[18, 35])).collect();
    store(ports, &movies).await;
    store(ports, &[movie(24, &[28])]).await;
    let query = everything(&[18, 35]);
    let mut seen = Vec::new();
    for (number, size) in [(1, 10), (2, 10), (3, 3), (4, 0)] {
        let request = PageRequest::new(number, 10).unwrap();
        let page = ports.catalogue.movies(&query, request).await.unwrap();
        assert_eq!((page.items.len(), page.total_items), (size, 23), "page {number}");
        assert_eq!(page.request, request);
        seen.extend(page.items);
    }
    assert_eq!(seen, movies);
    let far = PageRequest::new(u32::MAX, 100).unwrap();
    let page = ports.catalogue.movies(&query, far).await.unwrap();
    assert_eq!((page.items.len(), page.total_items), (0, 23));
}

/// Any mix of filters, orders and pages gets what [`MovieQuery::matches`] says.
pub async fn generated_queries_get_the_reference_answer(ports: &DocumentPorts) {
    let mut random = StdRng::seed_from_u64(20_260_301);
    let movies: Vec<Movie> = (1..=MOVIES).map(|id| random_movie(&mut random, id)).collect();
    // Stored backwards, so that the order of storing cannot pass for the order of ids.
    let backwards: Vec<Movie> = movies.iter().rev().cloned().collect();
    for batch in backwards.chunks(70) {
        store(ports, batch).await;
    }
    let mut hits = 0;
    for turn in 0..QUERIES {
        let (query, page) = random_query(&mut random);
        let answer = ports.catalogue.movies(&query, page).await.unwrap();
        assert_eq!(answer, expected(&movies, &query, page), "query {turn}: {query:?} {page:?}");
        hits += usize::from(!answer.items.is_empty());
    }
    assert!(hits > QUERIES / 4, "the queries have to find something: {hits}");
}
