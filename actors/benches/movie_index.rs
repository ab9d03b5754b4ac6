//! What the index of films costs at 3,000 and at 1,000,000: a page of a list that is remembered and
//! of one that is not, a search, one caller's unwatched films, a change, and making all of it.
//!
//! `cargo bench -p watchme-actors --bench movie_index`; `FILMS=3000,100000` chooses other sizes.

#![allow(missing_docs, reason = "Criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{cell::Cell, env, fs, hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use watchme_actors::{
    domain::{
        Entitlement, EntitlementMode, GenreId, GenreSet, MovieFilter, MovieId, MovieQuery,
        MovieRow, MovieSort, PageRequest,
    },
    movie_index::MovieIndex,
};

const GENRES: u32 = 19;
/// Shares of the genres, in hundredths: some are five times as common as others.
const COMMON: [u32; 5] = [25, 20, 15, 10, 5];

fn sizes() -> Vec<u32> {
    let sizes = env::var("FILMS").unwrap_or_else(|_| "3000,1000000".to_owned());
    sizes.split(',').map(|size| size.parse().unwrap()).collect()
}

fn movie(number: u32) -> MovieId {
    MovieId::try_from(i64::from(number)).unwrap()
}

fn genres(numbers: impl IntoIterator<Item = u32>) -> GenreSet {
    numbers.into_iter().map(|it| GenreId::try_from(i64::from(it) + 1).unwrap()).collect()
}

fn word(random: &mut StdRng) -> String {
    // Few words are common, most are rare.
    let number = {
        let most = random.random_range(1..20_000_u64);
        random.random_range(0..most)
    };
    let mut seed = StdRng::seed_from_u64(number);
    (0..seed.random_range(2..5))
        .flat_map(|_| [seed.random_range(0..20_usize), 20 + seed.random_range(0..5_usize)])
        .map(|letter| char::from(b"bcdfghjklmnpqrstvwxyaeiou"[letter]))
        .collect()
}

fn title(random: &mut StdRng) -> String {
    if random.random_bool(0.15) {
        let signs = random.random_range(2..9);
        return (0..signs)
            .map(|_| char::from_u32(0x4e00 + random.random_range(0..3_000)).unwrap())
            .collect();
    }
    let words: Vec<String> = (0..random.random_range(1..5)).map(|_| word(random)).collect();
    words.join(" ")
}

fn row(random: &mut StdRng, number: u32) -> MovieRow {
    let title_key = title(random);
    let original = random.random_bool(0.4).then(|| title(random));
    let genre = |genre: &u32| random.random_ratio(COMMON[*genre as usize % COMMON.len()], 100);
    let genres = genres((0..GENRES).filter(genre).collect::<Vec<_>>());
    let languages = random.random_range(1..150);
    let language = random.random_range(0..languages);
    let known = random.random_bool(0.97);
    let date = random.random_range(1900..2027) * 10_000 + random.random_range(1..13) * 100;
    MovieRow {
        id: movie(number * 2 + 1),
        original_title_key: original.unwrap_or_else(|| title_key.clone()),
        title_key,
        original_language: format!("l{language}"),
        released: known.then(|| date + random.random_range(1..29)),
        genres,
        popularity: -100.0 * random.random_range(0.000_001..1.0_f64).ln(),
        vote_average: f64::from(random.random_range(0..10_001)) / 1_000.0,
    }
}

fn index(films: u32) -> MovieIndex {
    let mut random = StdRng::seed_from_u64(1);
    (0..films).map(|number| row(&mut random, number)).collect()
}

fn query(permitted: GenreSet, filter: MovieFilter) -> MovieQuery {
    let entitlement = Entitlement { genres: permitted, mode: EntitlementMode::Any };
    MovieQuery::new(filter, entitlement, MovieSort::default()).unwrap()
}

/// Bytes of memory that the process holds.
fn held() -> usize {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn lists(bench: &mut Criterion) {
    for films in sizes() {
        let before = held();
        let index = index(films);
        let mib = |bytes: usize| bytes / 1024 / 1024;
        let (said, grown) = (mib(index.bytes()), mib(held().saturating_sub(before)));
        println!("{films} films: {said} MiB by its own count, the process grew by {grown} MiB");

        let permitted = genres(0..5);
        let all = query(permitted.clone(), MovieFilter::default());
        let first = PageRequest::default();
        let found = index.list(&all, first).total_items;
        let last = PageRequest::new(u32::try_from(found.div_ceil(10)).unwrap(), 10).unwrap();
        println!("{films} films: {found} in the list of five genres");
        let mut group = bench.benchmark_group("list");
        for (name, page) in [("first page", first), ("last page", last)] {
            let id = BenchmarkId::new(name, films);
            group.bench_function(id, |bench| bench.iter(|| black_box(index.list(&all, page))));
        }
        let turn = Cell::new(0);
        let next = || turn.replace(turn.get() + 1);
        // Another five genres each time, and more of them than lists are remembered.
        let five = || {
            let mut random = StdRng::seed_from_u64(next());
            let mut five: Vec<u32> = (0..GENRES).collect();
            while five.len() > 5 {
                five.swap_remove(random.random_range(0..five.len()));
            }
            query(genres(five), MovieFilter::default())
        };
        let id = BenchmarkId::new("first page, not remembered", films);
        group.bench_function(id, |bench| bench.iter(|| index.list(&five(), first)));
        let rated = || {
            let min_rating = Some(6.0 + next() as f64 / 1e9);
            query(permitted.clone(), MovieFilter { min_rating, ..MovieFilter::default() })
        };
        let id = BenchmarkId::new("from a rating, not remembered", films);
        group.bench_function(id, |bench| bench.iter(|| index.list(&rated(), first)));
        let sought = || {
            let mut random = StdRng::seed_from_u64(next());
            let text = Some(word(&mut random));
            query(permitted.clone(), MovieFilter { text, ..MovieFilter::default() })
        };
        let id = BenchmarkId::new("search, mostly not remembered", films);
        group.bench_function(id, |bench| bench.iter(|| index.list(&sought(), first)));
        let watched = (0..1_000).map(|number| movie(number * (films / 1_000) * 2 + 1)).collect();
        let unwatched = all.clone().with_watched(false, watched);
        let id = BenchmarkId::new("without 1,000 watched", films);
        group.bench_function(id, |bench| bench.iter(|| index.list(&unwatched, first)));
        group.finish();
    }
}

fn changes(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("index");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    for films in sizes() {
        let index = index(films);
        for changed in [1, 100, 1_000] {
            let mut random = StdRng::seed_from_u64(2);
            let rows: Vec<MovieRow> = (0..changed).map(|it| row(&mut random, it)).collect();
            let changes = || rows.iter().map(|row| (row.id, Some(row)));
            let id = BenchmarkId::new(format!("{changed} changed"), films);
            group.bench_function(id, |bench| bench.iter(|| index.with_changes(changes())));
        }
        let id = BenchmarkId::new("made whole", films);
        group.bench_function(id, |bench| bench.iter(|| index.made_whole()));
    }
    group.finish();
}

criterion_group!(benches, lists, changes);
criterion_main!(benches);
