//! What the demo catalogue says, computed without the service, and whole lists out of pages.

use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::Value;

use crate::support::{
    Client,
    tmdb_double::{Film, TmdbCatalogue},
};

pub(crate) const ADVENTURE: i64 = 12;
pub(crate) const DRAMA: i64 = 18;
pub(crate) const HORROR: i64 = 27;
pub(crate) const ACTION: i64 = 28;
pub(crate) const COMEDY: i64 = 35;
pub(crate) const WESTERN: i64 = 37;
pub(crate) const ROMANCE: i64 = 10749;

/// Drama alone.
pub(crate) const FIGHT_CLUB: i64 = 550;
/// Adventure, action, science fiction.
pub(crate) const STAR_WARS: i64 = 11;
/// Comedy, drama, romance.
pub(crate) const FORREST_GUMP: i64 = 13;
/// Drama alone.
pub(crate) const AMERICAN_BEAUTY: i64 = 14;

/// The films of the demo, by ascending id.
pub(crate) fn films() -> Vec<Film> {
    TmdbCatalogue::demo().movies.into_values().collect()
}

pub(crate) fn film(id: i64) -> Film {
    TmdbCatalogue::demo().movies.remove(&id).expect("a film of the demo")
}

pub(crate) fn has_any(film: &Film, genres: &[i64]) -> bool {
    film.genres.iter().any(|genre| genres.contains(genre))
}

pub(crate) fn has_all(film: &Film, genres: &[i64]) -> bool {
    genres.iter().all(|genre| film.genres.contains(genre))
}

pub(crate) fn year(film: &Film) -> i32 {
    film.release_date[..4].parse().unwrap()
}

/// The order that a `sort` asks for, ties by ascending id.
pub(crate) fn compare(sort: &str, a: &Film, b: &Film) -> Ordering {
    let (descending, key) = sort.strip_prefix('-').map_or((false, sort), |key| (true, key));
    let order = match key {
        "popularity" => a.popularity.total_cmp(&b.popularity),
        "rating" => a.vote_average.total_cmp(&b.vote_average),
        "releaseDate" => a.release_date.cmp(&b.release_date),
        "title" => a.title.to_lowercase().cmp(&b.title.to_lowercase()),
        other => panic!("no such order: {other}"),
    };
    if descending { order.reverse() } else { order }.then(a.id.cmp(&b.id))
}

/// The ids of the films that match, in order.
pub(crate) fn expected(sort: &str, matches: impl Fn(&Film) -> bool) -> Vec<i64> {
    let mut found: Vec<Film> = films().into_iter().filter(|film| matches(film)).collect();
    found.sort_by(|a, b| compare(sort, a, b));
    found.iter().map(|film| film.id).collect()
}

/// Every item of a list, page by page; checks what each page says of itself.
#[track_caller]
pub(crate) fn check_page(answer: &Value, number: usize, size: usize, total: u64) {
    let page = &answer["pagination"];
    let pages = total.div_ceil(size as u64);
    assert_eq!(page["pageNumber"], number, "{page}");
    assert_eq!(page["pageSize"], size, "{page}");
    assert_eq!(page["totalItems"], total, "{page}");
    assert_eq!(page["totalPages"], pages, "{page}");
    assert_eq!(page["firstPage"], number == 1, "{page}");
    assert_eq!(page["lastPage"], number as u64 >= pages, "{page}");
    let here = total.saturating_sub((number as u64 - 1) * size as u64).min(size as u64);
    assert_eq!(answer["data"].as_array().unwrap().len() as u64, here, "{page}");
}

/// Every item of a list, walked in pages of this size, no item twice.
pub(crate) async fn walk(client: &Client, path: &str, size: usize) -> Vec<Value> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let mut all: Vec<Value> = Vec::new();
    let mut number = 1;
    loop {
        let url = format!("{path}{mark}pageNumber={number}&pageSize={size}");
        let answer = client.get(&url).await.expect(200);
        let total = answer["pagination"]["totalItems"].as_u64().expect("a total");
        check_page(&answer, number, size, total);
        all.extend(answer["data"].as_array().unwrap().iter().cloned());
        if answer["pagination"]["lastPage"] == true {
            assert_eq!(all.len() as u64, total, "{path}: the count is exact");
            let distinct: BTreeSet<String> = all.iter().map(Value::to_string).collect();
            assert_eq!(distinct.len(), all.len(), "{path}: nothing comes twice");
            return all;
        }
        number += 1;
    }
}

/// The ids of a list of movies.
pub(crate) async fn ids(client: &Client, path: &str, size: usize) -> Vec<i64> {
    walk(client, path, size).await.iter().map(|movie| movie["id"].as_i64().unwrap()).collect()
}

/// The whole list is these ids, in this order.
pub(crate) async fn assert_ids(client: &Client, path: &str, expected: &[i64]) {
    let found = ids(client, path, 100).await;
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{path}: {} found, {} expected, first difference at {first:?}",
        found.len(),
        expected.len()
    );
}

/// The named fields and no others.
#[track_caller]
pub(crate) fn assert_fields(value: &Value, fields: &[&str]) {
    let found: BTreeSet<&str> =
        value.as_object().expect("an object").keys().map(|k| &**k).collect();
    assert_eq!(found, fields.iter().copied().collect(), "{value}");
}

/// A text as a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
