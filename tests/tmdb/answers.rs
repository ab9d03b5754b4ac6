//! Answers that are TMDb's, with everything that is odd in them.

use jiff::civil::date;
use serde_json::json;
use watchme_actors::{
    domain::{CastMember, ListedGenre},
    tmdb_client::TmdbClientHandle,
};

use super::*;
use crate::support::tmdb_double::{DAMAGED_ROWS, TmdbCatalogue, UNREADABLE_ROWS};

fn fields(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    value.as_object().unwrap().clone()
}

fn name(genres: &[ListedGenre], id: i64) -> Option<&str> {
    genres.iter().find(|found| found.id == genre(id)).and_then(|found| found.name.as_deref())
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out_and_odd_values_are_cleaned() {
    let (double, tmdb) = start().await;
    let whole = action(&tmdb).await.unwrap();
    double.set(Behaviour::WrongFields);
    let page = action(&tmdb).await.unwrap();

    assert_eq!(page.rejected as usize, UNREADABLE_ROWS);
    assert_eq!(page.movies.len(), 20 - UNREADABLE_ROWS);
    assert_eq!(page.total_pages, whole.total_pages);
    let row = |index: usize| {
        let row = &page.movies[index - UNREADABLE_ROWS];
        assert_eq!(row.id, whole.movies[index].id, "the rest stays in order");
        row
    };
    let numbers = |index: usize| row(index).genres.iter().map(GenreId::get).collect::<Vec<_>>();
    assert_eq!(numbers(7), [28, 999_999]);
    assert!(numbers(8).is_empty());
    assert_eq!((row(9).release_date, row(10).release_date), (None, None));
    let votes = (row(11).vote_average, row(11).vote_count, row(11).popularity);
    assert_eq!(votes, (0.0, 0, 0.0));
    assert_eq!(row(12).title, "x".repeat(500));
    assert_eq!(row(13).title, "<script>alert(1)</script>[31m red");
    assert_eq!(row(14).poster_path, None);
    let bare = row(15);
    assert_eq!((&bare.original_title, bare.original_language.as_str()), (&bare.title, ""));
    assert_eq!(page.movies[DAMAGED_ROWS - UNREADABLE_ROWS..], whole.movies[DAMAGED_ROWS..]);
}

#[tokio::test]
async fn details_are_read_in_full() {
    let (double, tmdb) = start().await;
    double.edit(|catalogue| {
        let film = catalogue.movie(550);
        film.wire = fields(json!({
            "overview": "An insomniac.\r\nA soap maker.\u{0}",
            "poster_path": "/p.jpg",
            "backdrop_path": "/b.jpg",
        }));
        let mut cast: Vec<_> = (0..30)
            .rev()
            .map(|n| json!({ "name": format!("Actor {n}"), "character": format!("Role {n}"), "order": n }))
            .collect();
        cast.extend([json!({ "name": "", "order": -1 }), json!(null)]);
        film.details = fields(json!({
            "runtime": 139, "tagline": "Mischief. Mayhem. Soap.", "status": "Released",
            "homepage": "http://www.foxmovies.com/movies/fight-club", "imdb_id": "tt0137523",
            "budget": 63_000_000, "revenue": 100_853_753,
            "production_countries": [
                { "iso_3166_1": "DE", "name": "Germany" }, { "iso_3166_1": null }, 3,
                { "iso_3166_1": "US", "name": "United States of America" },
            ],
            "credits": { "cast": cast, "crew": [
                { "name": "Art Linson", "job": "Producer" },
                { "name": "David Fincher", "job": "Director" },
            ] },
        }));
    });
    let movie = tmdb.movie(movie_id(550)).await.unwrap().unwrap();
    assert_eq!(movie.title, "Fight Club");
    assert_eq!(movie.overview, "An insomniac.\nA soap maker.");
    assert_eq!(movie.release_date, Some(date(1999, 10, 15)));
    assert_eq!(movie.genres.iter().map(GenreId::get).collect::<Vec<_>>(), [18]);
    assert_eq!(
        (movie.poster_path.as_deref(), movie.backdrop_path.as_deref()),
        (Some("/p.jpg"), Some("/b.jpg"))
    );
    assert_eq!(movie.fetched_at.as_millis(), NOW_MILLIS);

    let details = movie.details.unwrap();
    assert_eq!(details.runtime, Some(139));
    assert_eq!(
        (details.tagline.as_str(), details.status.as_str()),
        ("Mischief. Mayhem. Soap.", "Released")
    );
    assert_eq!(details.homepage.as_deref(), Some("http://www.foxmovies.com/movies/fight-club"));
    assert_eq!(details.imdb_id.as_deref(), Some("tt0137523"));
    assert_eq!((details.budget, details.revenue), (Some(63_000_000), Some(100_853_753)));
    assert_eq!(details.countries, ["DE", "US"]);
    assert_eq!(details.directors, ["David Fincher"]);
    assert_eq!(details.cast.len(), 20);
    let first = CastMember { name: "Actor 0".to_owned(), character: "Role 0".to_owned() };
    assert_eq!((&details.cast[0], details.cast[19].name.as_str()), (&first, "Actor 19"));
    assert_eq!(details.fetched_at.as_millis(), NOW_MILLIS);
}

#[tokio::test]
async fn details_without_values_are_empty() {
    let (double, tmdb) = start().await;
    let nothing = json!({
        "runtime": 0, "tagline": null, "status": 7, "homepage": "javascript:alert(1)",
        "imdb_id": "", "budget": 0, "revenue": -1, "production_countries": null,
        "credits": "none", "overview": null, "popularity": null, "release_date": null,
    });
    double.edit(|catalogue| catalogue.movie(550).details = fields(nothing));
    let details = tmdb.movie(movie_id(550)).await.unwrap().unwrap().details.unwrap();
    assert_eq!((details.runtime, details.budget, details.revenue), (None, None, None));
    assert_eq!((details.homepage, details.imdb_id), (None, None));
    assert_eq!(details.tagline + &details.status, "");
    assert!(details.cast.is_empty() && details.directors.is_empty());
    assert!(details.countries.is_empty());
}

#[tokio::test]
async fn details_of_another_movie_or_without_a_title_are_malformed() {
    let (double, tmdb) = start().await;
    for wrong in [json!({ "id": 551 }), json!({ "id": "550" }), json!({ "title": "" })] {
        double.edit(|catalogue| catalogue.movie(550).wire = fields(wrong.clone()));
        let error = tmdb.movie(movie_id(550)).await.unwrap_err();
        assert_eq!(error.kind(), "malformed", "{wrong}: {error}");
    }
}

#[tokio::test]
async fn a_change_at_tmdb_is_seen_and_a_removed_movie_is_none() {
    let (double, tmdb) = start().await;
    double.edit(|catalogue| catalogue.movie(19_995).title = "Avatar (2009)".to_owned());
    assert_eq!(avatar(&tmdb).await.unwrap().unwrap().title, "Avatar (2009)");
    double.edit(|catalogue| drop(catalogue.movies.remove(&19_995)));
    assert_eq!(avatar(&tmdb).await, Ok(None));
}

#[tokio::test]
async fn a_404_of_somebody_else_does_not_remove_a_movie() {
    let (double, tmdb) = start().await;
    for behaviour in [Behaviour::Html(404), Behaviour::Raw(404, String::new())] {
        double.set(behaviour);
        assert_all(&tmdb, "malformed").await;
    }
    double.set(Behaviour::Status(404));
    assert_eq!(avatar(&tmdb).await, Ok(None));
    assert_eq!(tmdb.genres().await.unwrap_err().kind(), "malformed");
    assert_eq!(action(&tmdb).await.unwrap_err().kind(), "malformed");
}

#[tokio::test]
async fn no_more_pages_are_promised_than_can_be_reached() {
    let double = TmdbDouble::start_with(TmdbCatalogue::generated(200)).await;
    let tmdb = client(settings(&double));
    for (claimed, pages) in [(41_000, 500), (u64::MAX, 500), (500, 500), (3, 3), (0, 0)] {
        double.edit(|catalogue| catalogue.claimed_pages = Some(claimed));
        assert_eq!(action(&tmdb).await.unwrap().total_pages, pages);
    }
}

#[tokio::test]
async fn a_page_that_was_not_asked_for_is_malformed() {
    let (double, tmdb) = start().await;
    double.set(raw(r#"{"page":2,"results":[],"total_pages":3,"total_results":0}"#));
    assert_eq!(action(&tmdb).await.unwrap_err().kind(), "malformed");
}

#[tokio::test]
async fn the_list_of_genres_follows_tmdb() {
    let (double, tmdb) = start().await;
    double.edit(|catalogue| {
        catalogue.genres.insert(28, " Blows\u{7} & Kicks ".to_owned());
        catalogue.genres.remove(&37);
        catalogue.genres.insert(99_999, "Noir".to_owned());
    });
    let genres = tmdb.genres().await.unwrap();
    assert_eq!(genres.len(), 19);
    assert_eq!(name(&genres, 28), Some("Blows & Kicks"));
    assert_eq!(name(&genres, 37), None);
    assert_eq!(name(&genres, 99_999), Some("Noir"));
}

#[actix_web::test]
async fn a_blank_name_is_taken_from_english_and_else_made_of_the_number() {
    let double = TmdbDouble::start().await;
    let tmdb = client(TmdbSettings { language: "sv-SE".to_owned(), ..settings(&double) });
    let tmdb = TmdbClientHandle::start(&actix::Arbiter::current(), Arc::new(tmdb), None);
    tmdb.genres().await.unwrap();
    assert_eq!(double.requests().len(), 1, "English is asked for only when it is needed");

    double.set(Behaviour::BlankGenreNames);
    // The first three are blank: 12, 14 and 16.
    double.edit(|catalogue| drop(catalogue.genres.insert(16, " ".to_owned())));
    let genres = tmdb.genres().await.unwrap();
    assert_eq!(genres.len(), 19);
    let named = |id| genres.iter().find(|it| it.id == genre(id)).map(|it| it.name.as_str());
    assert_eq!(named(12), Some("Adventure"));
    assert_eq!(named(14), Some("Fantasy"));
    assert_eq!(named(16), Some("Genre 16"));
    assert_eq!(named(18), Some("Drama"));
    assert_eq!(tmdb.status().requests, 3, "and takes a turn of its own");
}

#[tokio::test]
async fn a_list_of_genres_that_would_retire_genres_by_mistake_is_malformed() {
    let (double, tmdb) = start().await;
    for body in [
        r#"{"genres":[]}"#,
        r#"{"genres":[{"id":28,"name":"Action"},{"id":null,"name":"Drama"}]}"#,
        r#"{"genres":[{"id":28,"name":"Action"},{"id":-1,"name":"Drama"}]}"#,
        r#"{"genres":[{"id":28,"name":"Action"},null]}"#,
    ] {
        double.set(raw(body));
        assert_eq!(tmdb.genres().await.unwrap_err().kind(), "malformed", "{body}");
    }
}
