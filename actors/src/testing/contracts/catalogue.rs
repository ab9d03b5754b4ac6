//! Contract of the catalogue port: storing and reading movies. What lists answer is
//! in `queries`.

mod queries;
pub mod samples;

pub use queries::*;

use std::sync::Arc;

use futures_util::future::join_all;

use self::samples::{details, everything, movie, movie_id};
use crate::{
    domain::{Movie, MovieDetails, MovieId, MovieRow, PageRequest, Timestamp},
    testing::DocumentPorts,
};

/// The moment at which the sample movies were fetched, plus so many milliseconds.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123 + millis)
}

fn sorted(mut ids: Vec<MovieId>) -> Vec<MovieId> {
    ids.sort_unstable();
    ids
}

async fn listed(ports: &DocumentPorts, genre: i64) -> Vec<MovieId> {
    let page = PageRequest::new(1, 100).unwrap();
    let found = ports.catalogue.movies(&everything(&[genre]), page).await.unwrap();
    sorted(found.items.iter().map(|movie| movie.id).collect())
}

/// An empty store has no movie, no page and no count.
pub async fn an_empty_catalogue_answers_with_nothing(ports: &DocumentPorts) {
    assert_eq!(ports.catalogue.movie(movie_id(1)).await.unwrap(), None);
    assert_eq!(ports.catalogue.count().await.unwrap(), 0);
    let page = ports.catalogue.movies(&everything(&[18]), PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.total_items), (0, 0));
    assert!(ports.catalogue.fetched_before(at(0), 10).await.unwrap().is_empty());
}

/// A movie reads back as it was stored, to the last field.
pub async fn a_movie_reads_back_whole(ports: &DocumentPorts) {
    let full = Movie { details: Some(details()), ..movie(1, &[18, 35]) };
    let bare = Movie {
        title: "日本の\u{0}映画".to_owned(),
        original_language: String::new(),
        release_date: None,
        popularity: 0.1 + 0.2,
        poster_path: None,
        ..movie(2, &[])
    };
    ports.catalogue.upsert(&[full.clone(), bare.clone()]).await.unwrap();
    assert_eq!(ports.catalogue.movie(full.id).await.unwrap(), Some(full));
    assert_eq!(ports.catalogue.movie(bare.id).await.unwrap(), Some(bare));
    assert_eq!(ports.catalogue.count().await.unwrap(), 2);
}

/// Several movies are read at once, in the order asked; those that are not stored are left out.
pub async fn several_movies_are_read_in_the_order_asked(ports: &DocumentPorts) {
    assert!(ports.catalogue.by_ids(&[]).await.unwrap().is_empty());
    let (one, two) = (Movie { details: Some(details()), ..movie(1, &[18]) }, movie(2, &[35]));
    ports.catalogue.upsert(&[one.clone(), two.clone(), movie(3, &[18])]).await.unwrap();
    let asked = [movie_id(2), movie_id(9), movie_id(1)];
    assert_eq!(ports.catalogue.by_ids(&asked).await.unwrap(), [two, one]);
}

/// Nothing to store, nothing to remove: nothing happens.
pub async fn empty_batches_do_nothing(ports: &DocumentPorts) {
    assert!(ports.catalogue.upsert(&[]).await.unwrap().is_empty());
    ports.catalogue.remove(&[]).await.unwrap();
    assert_eq!(ports.catalogue.count().await.unwrap(), 0);
}

/// New movies and those with other facts are reported, the rest not.
pub async fn an_upsert_reports_new_and_changed_movies(ports: &DocumentPorts) {
    let (one, two) = (movie(1, &[18]), movie(2, &[18]));
    let new = ports.catalogue.upsert(&[one.clone(), two.clone()]).await.unwrap();
    assert_eq!(sorted(new), [one.id, two.id]);
    let renamed = Movie { title: "Renamed".to_owned(), fetched_at: at(1), ..one };
    let same = Movie { fetched_at: at(1), ..two };
    let changed = ports.catalogue.upsert(&[renamed.clone(), same, movie(3, &[])]).await.unwrap();
    assert_eq!(sorted(changed), [renamed.id, movie_id(3)]);
}

/// Every field is a visible fact.
pub async fn a_change_of_any_field_is_reported(ports: &DocumentPorts) {
    let base = Movie { details: Some(details()), ..movie(1, &[18]) };
    let other_details = MovieDetails { budget: None, ..details() };
    let versions = [
        Movie { original_title: "Autre".to_owned(), ..base.clone() },
        Movie { original_language: "en".to_owned(), ..base.clone() },
        Movie { overview: String::new(), ..base.clone() },
        Movie { release_date: None, ..base.clone() },
        Movie { genres: samples::genres(&[35]), ..base.clone() },
        Movie { popularity: 63.8694, ..base.clone() },
        Movie { vote_average: 8.4, ..base.clone() },
        Movie { vote_count: 29_001, ..base.clone() },
        Movie { poster_path: None, ..base.clone() },
        Movie { backdrop_path: Some("/b.jpg".to_owned()), ..base.clone() },
        Movie { details: Some(other_details), ..base.clone() },
    ];
    for version in versions {
        ports.catalogue.upsert(std::slice::from_ref(&base)).await.unwrap();
        let changed = ports.catalogue.upsert(std::slice::from_ref(&version)).await.unwrap();
        assert_eq!(changed, [base.id], "{version:?}");
        assert_eq!(ports.catalogue.movie(base.id).await.unwrap(), Some(version));
    }
}

/// A later fetch of the same facts is stored silently.
pub async fn a_new_fetch_of_the_same_facts_is_no_change(ports: &DocumentPorts) {
    let first = Movie { details: Some(details()), ..movie(1, &[18]) };
    ports.catalogue.upsert(std::slice::from_ref(&first)).await.unwrap();
    let fetched_again = MovieDetails { fetched_at: at(9_000), ..details() };
    let again = Movie { details: Some(fetched_again), fetched_at: at(9_000), ..first };
    assert!(ports.catalogue.upsert(std::slice::from_ref(&again)).await.unwrap().is_empty());
    assert_eq!(ports.catalogue.movie(again.id).await.unwrap(), Some(again));
    assert!(ports.catalogue.fetched_before(at(9_000), 10).await.unwrap().is_empty());
}

/// A row of a list does not take the details away.
pub async fn a_row_without_details_keeps_the_stored_ones(ports: &DocumentPorts) {
    let first = Movie { details: Some(details()), ..movie(1, &[18]) };
    ports.catalogue.upsert(std::slice::from_ref(&first)).await.unwrap();
    let row = Movie { details: None, vote_count: 30_000, fetched_at: at(1), ..first };
    assert_eq!(ports.catalogue.upsert(std::slice::from_ref(&row)).await.unwrap(), [row.id]);
    let kept = Movie { details: Some(details()), ..row };
    assert_eq!(ports.catalogue.movie(kept.id).await.unwrap(), Some(kept.clone()));
    let same_row = Movie { details: None, fetched_at: at(2), ..kept };
    assert!(ports.catalogue.upsert(&[same_row]).await.unwrap().is_empty());
}

/// An older version is left out, one of the same moment is not.
pub async fn an_older_movie_is_left_out(ports: &DocumentPorts) {
    let stored = Movie { fetched_at: at(10), ..movie(1, &[18]) };
    ports.catalogue.upsert(std::slice::from_ref(&stored)).await.unwrap();
    let older = Movie {
        title: "Older".to_owned(),
        genres: samples::genres(&[35]),
        fetched_at: at(9),
        ..stored.clone()
    };
    let fresh = movie(2, &[18]);
    assert_eq!(ports.catalogue.upsert(&[older, fresh.clone()]).await.unwrap(), [fresh.id]);
    assert_eq!(ports.catalogue.movie(stored.id).await.unwrap(), Some(stored.clone()));
    assert!(listed(ports, 35).await.is_empty());
    let same_moment = Movie { title: "Corrected".to_owned(), ..stored };
    let changed = ports.catalogue.upsert(std::slice::from_ref(&same_moment)).await.unwrap();
    assert_eq!(changed, [same_moment.id]);
}

/// Within one batch the rules hold from one movie to the next.
pub async fn a_movie_may_come_twice_in_a_batch(ports: &DocumentPorts) {
    let detailed = Movie { details: Some(details()), fetched_at: at(1), ..movie(1, &[18]) };
    let row = Movie { vote_count: 1, fetched_at: at(2), ..movie(1, &[35]) };
    let older = movie(1, &[12]);
    let changed = ports.catalogue.upsert(&[detailed.clone(), row.clone(), older]).await.unwrap();
    assert_eq!(changed, [row.id]);
    let merged = Movie { details: detailed.details, ..row };
    assert_eq!(ports.catalogue.movie(merged.id).await.unwrap(), Some(merged));
    assert_eq!(ports.catalogue.count().await.unwrap(), 1);
    assert_eq!(listed(ports, 35).await, [movie_id(1)]);
    assert!(listed(ports, 18).await.is_empty());
}

/// Lists see new values at once, and old ones no more.
pub async fn lists_follow_what_is_stored(ports: &DocumentPorts) {
    let first = movie(1, &[18, 35]);
    ports.catalogue.upsert(std::slice::from_ref(&first)).await.unwrap();
    let moved = Movie { genres: samples::genres(&[28]), fetched_at: at(1), ..first };
    ports.catalogue.upsert(&[moved]).await.unwrap();
    assert_eq!(listed(ports, 28).await, [movie_id(1)]);
    assert!(listed(ports, 18).await.is_empty());
    assert!(listed(ports, 35).await.is_empty());
}

/// What is removed is gone everywhere; what was never there does not matter; what comes back is
/// new.
pub async fn removed_movies_are_forgotten(ports: &DocumentPorts) {
    let (one, two) = (movie(1, &[18]), movie(2, &[18]));
    ports.catalogue.upsert(&[one.clone(), two.clone()]).await.unwrap();
    ports.catalogue.remove(&[one.id, movie_id(77)]).await.unwrap();
    assert_eq!(ports.catalogue.movie(one.id).await.unwrap(), None);
    assert_eq!(listed(ports, 18).await, [two.id]);
    assert_eq!(ports.catalogue.count().await.unwrap(), 1);
    assert_eq!(ports.catalogue.fetched_before(at(1), 10).await.unwrap(), [two.id]);
    let older = Movie { fetched_at: at(-5), ..one };
    assert_eq!(ports.catalogue.upsert(std::slice::from_ref(&older)).await.unwrap(), [older.id]);
    assert_eq!(listed(ports, 18).await, [older.id, two.id]);
}

/// The longest unconfirmed first, strictly before the moment, no more than asked for.
pub async fn fetched_before_finds_the_oldest(ports: &DocumentPorts) {
    let fetched = |id, millis| Movie { fetched_at: at(millis), ..movie(id, &[]) };
    let movies = [fetched(1, 30), fetched(2, 10), fetched(3, 20), fetched(4, 40)];
    ports.catalogue.upsert(&movies).await.unwrap();
    let before = |millis, limit| ports.catalogue.fetched_before(at(millis), limit);
    assert_eq!(before(40, 10).await.unwrap(), [2, 3, 1].map(movie_id));
    assert_eq!(before(41, 2).await.unwrap(), [2, 3].map(movie_id));
    assert!(before(10, 10).await.unwrap().is_empty());
    assert!(before(41, 0).await.unwrap().is_empty());
}

/// What lists are made of is read by ascending id, a part at a time, to the end.
pub async fn rows_are_read_in_parts(ports: &DocumentPorts) {
    assert!(ports.catalogue.rows_after(None, 10).await.unwrap().is_empty());
    let bare = Movie { release_date: None, original_language: String::new(), ..movie(7, &[]) };
    let stored = [
        Movie { details: Some(details()), ..movie(2, &[18, 35]) },
        Movie {
            title: "ÄRGER\u{0}".to_owned(),
            original_title: "ΣΑΣ".to_owned(),
            ..movie(5, &[12])
        },
        Movie { popularity: 0.1 + 0.2, vote_average: 7.499, ..bare },
        movie(900_000_000, &[18]),
    ];
    let backwards: Vec<Movie> = stored.iter().rev().cloned().collect();
    ports.catalogue.upsert(&backwards).await.unwrap();
    let rows: Vec<MovieRow> = stored.iter().map(MovieRow::from).collect();
    assert_eq!(rows[1].original_title_key, "σας", "the last of a word is another letter");
    let after = |id: Option<i64>, limit| ports.catalogue.rows_after(id.map(movie_id), limit);
    assert_eq!(after(None, 10).await.unwrap(), rows);
    assert_eq!(after(None, 2).await.unwrap(), rows[..2]);
    assert_eq!(after(Some(2), 2).await.unwrap(), rows[1..3]);
    assert_eq!(after(Some(6), 10).await.unwrap(), rows[2..]);
    assert!(after(Some(900_000_000), 10).await.unwrap().is_empty());
    assert!(after(None, 0).await.unwrap().is_empty());
}

/// Rows of single movies, also after they have changed.
pub async fn rows_are_read_by_id(ports: &DocumentPorts) {
    assert!(ports.catalogue.rows_of(&[]).await.unwrap().is_empty());
    let (one, two) = (movie(1, &[18, 35]), movie(2, &[35]));
    ports.catalogue.upsert(&[one.clone(), two.clone(), movie(3, &[18])]).await.unwrap();
    let moved = Movie {
        title: "Moved".to_owned(),
        genres: samples::genres(&[12]),
        release_date: None,
        fetched_at: at(1),
        ..one
    };
    ports.catalogue.upsert(std::slice::from_ref(&moved)).await.unwrap();
    let asked = [2, 9, 1, 2].map(movie_id);
    let rows = [MovieRow::from(&moved), MovieRow::from(&two)];
    assert_eq!(ports.catalogue.rows_of(&asked).await.unwrap(), rows);
    ports.catalogue.remove(&[two.id]).await.unwrap();
    assert_eq!(ports.catalogue.rows_of(&asked).await.unwrap(), rows[..1]);
}

/// However writers race, the newest version is what stays.
pub async fn the_newest_of_racing_writes_stays(ports: &DocumentPorts) {
    let writes = (0..16).map(|turn| {
        let catalogue = Arc::clone(&ports.catalogue);
        // 7 and 16 have no common factor: every moment once, in no order.
        let millis = turn * 7 % 16;
        let version =
            Movie { vote_count: millis as u32, fetched_at: at(millis), ..movie(1, &[18]) };
        tokio::spawn(async move { catalogue.upsert(&[version]).await.unwrap() })
    });
    for write in join_all(writes).await {
        write.unwrap();
    }
    let stored = ports.catalogue.movie(movie_id(1)).await.unwrap().unwrap();
    assert_eq!((stored.vote_count, stored.fetched_at), (15, at(15)));
}

/// One test for each case: `catalogue_contract!(async function giving ports)`.
#[macro_export]
macro_rules! catalogue_contract {
    ($make:path) => {
        $crate::contract_cases!(
            catalogue,
            $make,
            [
                an_empty_catalogue_answers_with_nothing,
                a_movie_reads_back_whole,
                several_movies_are_read_in_the_order_asked,
                empty_batches_do_nothing,
                an_upsert_reports_new_and_changed_movies,
                a_change_of_any_field_is_reported,
                a_new_fetch_of_the_same_facts_is_no_change,
                a_row_without_details_keeps_the_stored_ones,
                an_older_movie_is_left_out,
                a_movie_may_come_twice_in_a_batch,
                lists_follow_what_is_stored,
                removed_movies_are_forgotten,
                fetched_before_finds_the_oldest,
                rows_are_read_in_parts,
                rows_are_read_by_id,
                the_newest_of_racing_writes_stays,
                only_permitted_movies_are_listed,
                requested_genres_combine_by_their_mode,
                excluded_genres_are_left_out,
                years_are_inclusive,
                the_lowest_rating_is_inclusive,
                the_language_is_compared_exactly,
                text_is_found_in_either_title_without_regard_to_case,
                text_has_no_wildcards_and_stays_within_one_title,
                watched_movies_are_kept_or_left_out,
                every_order_is_total,
                pages_are_exact,
                generated_queries_get_the_reference_answer,
            ]
        );
    };
}
