//! The pure parts of a request, by themselves.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::Date;
use watchme_actors::domain::{
    Entitlement, EntitlementMode, EventId, GenreId, GenreSet, LastFilm, MarkedMovie, Movie,
    MovieFilter, MovieId, MovieQuery, MovieSort, Projection, Timestamp, UserId, WatchChange,
    WatchEvent,
};

/// As many as the demo catalogue has.
const FILMS: i64 = 3_000;
const GENRES: [i64; 19] =
    [12, 14, 16, 18, 27, 28, 35, 36, 37, 53, 80, 99, 878, 9648, 10402, 10749, 10751, 10752, 10770];

fn genres(numbers: impl IntoIterator<Item = i64>) -> GenreSet {
    numbers.into_iter().map(|number| GenreId::try_from(number).unwrap()).collect()
}

fn film(number: i64) -> Movie {
    let genre = |step: i64| GENRES[usize::try_from(number * step).unwrap() % GENRES.len()];
    let title = format!("The film that is the {number}th");
    Movie {
        id: MovieId::try_from(number).unwrap(),
        original_title: title.clone(),
        title,
        original_language: "en".to_owned(),
        overview: String::new(),
        release_date: Date::new(1920 + i16::try_from(number % 100).unwrap(), 5, 17).ok(),
        genres: genres([genre(1), genre(7), genre(11)]),
        popularity: number as f64 / 7.0,
        vote_average: (number % 100) as f64 / 10.0,
        vote_count: 1_000,
        poster_path: None,
        backdrop_path: None,
        details: None,
        fetched_at: Timestamp::EPOCH,
    }
}

fn entitlement(mode: EntitlementMode) -> Entitlement {
    Entitlement { genres: genres([28, 53, 80, 878, 10752]), mode }
}

fn decision(criterion: &mut Criterion) {
    let movie = genres([18, 80, 9648]);
    for (name, mode) in [("any", EntitlementMode::Any), ("all", EntitlementMode::All)] {
        let entitlement = entitlement(mode);
        criterion.bench_function(&format!("entitlement decision, {name}"), |bencher| {
            bencher.iter(|| black_box(&entitlement).permits(black_box(&movie)));
        });
    }
}

fn lists(criterion: &mut Criterion) {
    let films: Vec<Movie> = (1..=FILMS).map(film).collect();
    let filter = MovieFilter {
        genres: genres([878]),
        year_to: Some(1985),
        min_rating: Some(6.0),
        ..MovieFilter::default()
    };
    let entitlement = entitlement(EntitlementMode::Any);
    let query = MovieQuery::new(filter, entitlement, MovieSort::default()).unwrap();
    criterion.bench_function("3,000 films against a query", |bencher| {
        bencher.iter(|| films.iter().filter(|film| black_box(&query).matches(film)).count());
    });
    criterion.bench_function("ten films as JSON", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&films[..10])).unwrap());
    });
}

fn folding(criterion: &mut Criterion) {
    let user = UserId::generate();
    let movie = MarkedMovie {
        movie_id: MovieId::try_from(550).unwrap(),
        movie_name: "Fight Club".to_owned(),
        genre_ids: genres([18, 53]),
    };
    let last_film =
        Some(LastFilm { movie_id: movie.movie_id, movie_name: movie.movie_name.clone() });
    let projection = Projection {
        last_seq: 9_999,
        total_films: 9_999,
        films_by_genre: genres(GENRES).iter().map(|genre| (genre, 1_000)).collect(),
        ..Projection::empty(user)
    };
    let event = WatchEvent {
        id: EventId::generate(),
        user_id: user,
        seq: 10_000,
        at: Timestamp::EPOCH,
        change: WatchChange::Marked { movie, watched_at: Timestamp::EPOCH, last_film },
    };
    criterion.bench_function("an event into a report", |bencher| {
        bencher.iter(|| black_box(&projection).fold(black_box(&event)));
    });
}

criterion_group!(benches, decision, lists, folding);
criterion_main!(benches);
