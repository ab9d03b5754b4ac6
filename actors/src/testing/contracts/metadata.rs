//! Contract of the `metadata` port, over the facts of the demo catalogue.

use std::{any::Any, sync::Arc};

use crate::{
    domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage},
    ports::{MetadataError, MetadataSource},
};

const ACTION: i64 = 28;
const DRAMA: i64 = 18;
const AVATAR: i64 = 19_995;

/// A source over the facts of the demo catalogue.
pub struct MetadataPorts {
    /// The source.
    pub source: Arc<dyn MetadataSource>,
    /// Whatever has to live as long as the source.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Makes the tests of this suite from a function that gives [`MetadataPorts`].
#[macro_export]
macro_rules! metadata_contract {
    ($make:path) => {
        $crate::contract_cases!(
            metadata,
            $make,
            [
                genres_are_listed_with_names,
                discover_gives_full_pages_most_popular_first,
                discover_gives_movies_of_the_genre_only,
                every_movie_of_a_genre_is_on_exactly_one_page,
                a_page_beyond_the_last_is_empty,
                a_genre_without_movies_is_empty,
                pages_outside_1_to_500_are_refused,
                rows_of_lists_have_no_details,
                search_ignores_case,
                search_looks_at_original_titles,
                search_takes_any_text,
                search_that_finds_nothing_is_empty,
                details_have_the_runtime,
                details_agree_with_the_row,
                an_unknown_movie_is_none,
            ]
        );
    };
}

fn genre(id: i64) -> GenreId {
    GenreId::try_from(id).unwrap()
}

fn movie(id: i64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

fn ids(page: &MoviePage) -> Vec<u32> {
    page.movies.iter().map(|movie| movie.id.get()).collect()
}

fn is_in_order(movies: &[Movie]) -> bool {
    movies.is_sorted_by(|a, b| {
        a.popularity > b.popularity || (a.popularity == b.popularity && a.id < b.id)
    })
}

/// The list has today's genres, each with a name, and not the one that TMDb retired.
pub async fn genres_are_listed_with_names(ports: &MetadataPorts) {
    let english = ports.source.english_genres().await.unwrap();
    for genres in [ports.source.genres().await.unwrap(), english] {
        assert_eq!(genres.len(), 19);
        let name = |found: &ListedGenre| found.name.clone().unwrap_or_default();
        assert!(genres.iter().all(|found| !name(found).trim().is_empty()));
        assert!(genres.iter().any(|found| found.id == genre(DRAMA) && name(found) == "Drama"));
        assert!(genres.iter().all(|found| found.id != genre(10_769)));
    }
}

/// 20 rows a page, ordered within and across pages.
pub async fn discover_gives_full_pages_most_popular_first(ports: &MetadataPorts) {
    let first = ports.source.discover(genre(ACTION), 1).await.unwrap();
    let second = ports.source.discover(genre(ACTION), 2).await.unwrap();
    assert_eq!((first.movies.len(), second.movies.len()), (20, 20));
    assert_eq!((first.rejected, second.rejected), (0, 0));
    // 915 movies.
    assert_eq!((first.total_pages, second.total_pages), (46, 46));
    assert!(is_in_order(&[first.movies, second.movies].concat()));
}

/// The filter is the source's, so that counts are exact.
pub async fn discover_gives_movies_of_the_genre_only(ports: &MetadataPorts) {
    let page = ports.source.discover(genre(DRAMA), 3).await.unwrap();
    assert!(page.movies.iter().all(|movie| movie.genres.contains(genre(DRAMA))));
}

/// Walking the pages gives each movie once and none twice.
pub async fn every_movie_of_a_genre_is_on_exactly_one_page(ports: &MetadataPorts) {
    let war = genre(10_752);
    let pages = ports.source.discover(war, 1).await.unwrap().total_pages;
    let mut found = Vec::new();
    for page in 1..=pages {
        found.extend(ids(&ports.source.discover(war, page).await.unwrap()));
    }
    assert_eq!(found.len(), 109);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 109);
}

/// An empty page, with the number of pages that there are.
pub async fn a_page_beyond_the_last_is_empty(ports: &MetadataPorts) {
    let page = ports.source.discover(genre(ACTION), 47).await.unwrap();
    assert_eq!((page.movies.len(), page.total_pages), (0, 46));
    assert!(ports.source.discover(genre(ACTION), 500).await.unwrap().movies.is_empty());
}

/// Neither an error nor every movie.
pub async fn a_genre_without_movies_is_empty(ports: &MetadataPorts) {
    assert!(ports.source.discover(genre(777_777), 1).await.unwrap().movies.is_empty());
}

/// TMDb has no such pages.
pub async fn pages_outside_1_to_500_are_refused(ports: &MetadataPorts) {
    for page in [0, 501, u32::MAX] {
        let discovered = ports.source.discover(genre(ACTION), page).await;
        assert!(matches!(discovered, Err(MetadataError::Refused(_))), "{page}: {discovered:?}");
        let searched = ports.source.search("avatar", page).await;
        assert!(matches!(searched, Err(MetadataError::Refused(_))), "{page}: {searched:?}");
    }
}

/// Details come from the details only, so that nobody takes a row for them.
pub async fn rows_of_lists_have_no_details(ports: &MetadataPorts) {
    let page = ports.source.discover(genre(ACTION), 1).await.unwrap();
    assert!(page.movies.iter().all(|movie| movie.details.is_none()));
    let page = ports.source.search("avatar", 1).await.unwrap();
    assert!(page.movies.iter().all(|movie| movie.details.is_none()));
}

/// The same whatever the case.
pub async fn search_ignores_case(ports: &MetadataPorts) {
    for text in ["avatar", "AVATAR", "aVaTaR"] {
        let page = ports.source.search(text, 1).await.unwrap();
        assert_eq!(ids(&page), [19_995], "{text}");
        assert_eq!(page.total_pages, 1);
    }
}

/// A movie is found by the title it has at home.
pub async fn search_looks_at_original_titles(ports: &MetadataPorts) {
    assert_eq!(ids(&ports.source.search("千と千尋", 1).await.unwrap()), [129]);
}

/// What is a sign in an address or a query is a letter here.
pub async fn search_takes_any_text(ports: &MetadataPorts) {
    let page = ports.source.search("world's end", 1).await.unwrap();
    assert!(ids(&page).contains(&285), "{page:?}");
    for text in ["a&page=3", "%", "../../genre/movie/list", "#", "+", "\u{0}"] {
        assert!(ports.source.search(text, 1).await.is_ok(), "{text}");
    }
    assert!(ports.source.search("avatar&query=matrix", 1).await.unwrap().movies.is_empty());
}

/// An empty page, no error.
pub async fn search_that_finds_nothing_is_empty(ports: &MetadataPorts) {
    assert!(ports.source.search("no film is called that", 1).await.unwrap().movies.is_empty());
}

/// The facts of a known movie.
pub async fn details_have_the_runtime(ports: &MetadataPorts) {
    let avatar = ports.source.movie(movie(AVATAR)).await.unwrap().unwrap();
    assert_eq!(avatar.title, "Avatar");
    assert_eq!(avatar.original_language, "en");
    assert_eq!(avatar.release_date, Some(jiff::civil::date(2009, 12, 10)));
    assert_eq!(avatar.details.unwrap().runtime, Some(162));
}

/// A movie is the same in a list and by itself.
pub async fn details_agree_with_the_row(ports: &MetadataPorts) {
    let row = ports.source.search("avatar", 1).await.unwrap().movies.remove(0);
    let alone = ports.source.movie(row.id).await.unwrap().unwrap();
    assert_eq!(Movie { details: None, fetched_at: row.fetched_at, ..alone }, row);
}

/// Not an error: the source is sure.
pub async fn an_unknown_movie_is_none(ports: &MetadataPorts) {
    assert_eq!(ports.source.movie(movie(i64::from(i32::MAX))).await.unwrap(), None);
}
