//! `/movies`: lists and search.

use serde_json::{Value, json};

use crate::{
    oracle::{
        ACTION, ADVENTURE, AMERICAN_BEAUTY, COMEDY, DRAMA, FIGHT_CLUB, FORREST_GUMP, HORROR,
        ROMANCE, STAR_WARS, WESTERN, assert_fields, assert_ids, encoded, expected, film, films,
        has_all, has_any, ids, year,
    },
    support::{TestApp, tmdb_double::Film},
};

const MINE: [i64; 3] = [DRAMA, COMEDY, ROMANCE];
pub(crate) const MOVIE_FIELDS: [&str; 12] = [
    "id",
    "title",
    "originalTitle",
    "originalLanguage",
    "overview",
    "releaseDate",
    "genres",
    "popularity",
    "voteAverage",
    "voteCount",
    "posterUrl",
    "backdropUrl",
];

fn mine(film: &Film) -> bool {
    has_any(film, &MINE)
}

#[tokio::test]
async fn every_filter_gives_exactly_its_movies() {
    type Matches = fn(&Film) -> bool;
    let app = TestApp::start().await;
    let user = app.subscriber(&MINE).await;
    let cases: &[(&str, Matches)] = &[
        ("", |_| true),
        ("genreId=18", |it| has_any(it, &[DRAMA])),
        ("genreId=18&genreId=35", |it| has_any(it, &[DRAMA, COMEDY])),
        ("genreId=35&genreId=10749&genreMode=any", |it| has_any(it, &[COMEDY, ROMANCE])),
        ("genreId=18&genreId=35&genreMode=all", |it| has_all(it, &[DRAMA, COMEDY])),
        ("genreId=18&genreId=35&genreId=10749&genreMode=all", |it| has_all(it, &MINE)),
        ("genreMode=all", |_| true),
        // Twice the same is the same.
        ("genreId=35&genreId=35&genreMode=all", |it| has_any(it, &[COMEDY])),
        // What is not permitted is as if it were not asked for, as long as something is left.
        ("genreId=18&genreId=27", |it| has_any(it, &[DRAMA])),
        ("excludeGenreId=35", |it| !has_any(it, &[COMEDY])),
        // Leaving out needs no permission.
        ("excludeGenreId=27&excludeGenreId=28", |it| !has_any(it, &[HORROR, ACTION])),
        ("genreId=18&excludeGenreId=35", |it| has_any(it, &[DRAMA]) && !has_any(it, &[COMEDY])),
        ("genreId=18&excludeGenreId=18", |_| false),
        ("yearFrom=2010", |it| year(it) >= 2010),
        ("yearTo=1950", |it| year(it) <= 1950),
        ("yearFrom=1999&yearTo=1999", |it| year(it) == 1999),
        ("yearFrom=2000&yearTo=1999", |_| false),
        ("minRating=8", |it| it.vote_average >= 8.0),
        ("minRating=7.5", |it| it.vote_average >= 7.5),
        ("minRating=0", |_| true),
        ("minRating=10", |it| it.vote_average >= 10.0),
        ("language=fr", |it| it.language == "fr"),
        ("language=xx", |it| it.language == "xx"),
        (
            "genreId=35&genreId=10749&genreMode=all&yearFrom=1990&minRating=6.5&language=en&excludeGenreId=18",
            |it| {
                has_all(it, &[COMEDY, ROMANCE])
                    && !has_any(it, &[DRAMA])
                    && year(it) >= 1990
                    && it.vote_average >= 6.5
                    && it.language == "en"
            },
        ),
    ];
    for (query, matches) in cases {
        let expected = expected("-popularity", |it| mine(it) && matches(it));
        assert_ids(&user, &format!("/movies?{query}"), &expected).await;
    }
    // The cases mean something.
    assert!(!expected("title", |it| mine(it) && it.language == "fr").is_empty());
    assert!(!expected("title", |it| has_all(it, &MINE)).is_empty());
}

#[tokio::test]
async fn every_sort_is_total_and_filters_keep_it() {
    let app = TestApp::start().await;
    let user = app.subscriber(&MINE).await;
    for key in ["popularity", "rating", "releaseDate", "title"] {
        for sort in [key.to_owned(), format!("-{key}")] {
            let all = expected(&sort, mine);
            assert_ids(&user, &format!("/movies?sort={sort}"), &all).await;
            let some = expected(&sort, |it| mine(it) && it.vote_average >= 7.0 && year(it) < 1980);
            let path = format!("/movies?sort={sort}&minRating=7&yearTo=1979");
            assert_ids(&user, &path, &some).await;
            // Many tie: small pages cut through them and lose nothing.
            assert_eq!(ids(&user, &path, 7).await, some, "{sort}");
        }
    }
    // Repeating a walk gives the same order.
    let once = ids(&user, "/movies?sort=-rating&yearFrom=2014", 13).await;
    assert_eq!(ids(&user, "/movies?sort=-rating&yearFrom=2014", 13).await, once);
}

#[tokio::test]
async fn pages_say_where_they_stand() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[WESTERN]).await;
    let total = expected("title", |it| has_any(it, &[WESTERN])).len() as u64;
    let first = user.get("/movies").await.expect(200);
    assert_eq!(first["pagination"]["pageNumber"], 1);
    assert_eq!(first["pagination"]["pageSize"], 10);
    assert_eq!(first["data"].as_array().unwrap().len(), 10);
    let clamped = user.get("/movies?pageSize=1000").await.expect(200);
    assert_eq!(clamped["pagination"]["pageSize"], 100);
    let beyond = user.get("/movies?pageNumber=999&pageSize=50").await.expect(200);
    assert_eq!(beyond["data"], json!([]));
    let pagination = &beyond["pagination"];
    assert_eq!(pagination["lastPage"], true);
    assert_eq!(pagination["firstPage"], false);
    assert_eq!(pagination["totalPages"], total.div_ceil(50));
    let far = user.get("/movies?pageNumber=4294967295&pageSize=100").await.expect(200);
    assert_eq!(far["data"], json!([]));
    let nothing = user.get("/movies?genreId=27").await.expect(200);
    assert_eq!(nothing["data"], json!([]));
    assert_eq!(nothing["pagination"]["totalPages"], 0);
    assert_eq!(nothing["pagination"]["firstPage"], true);
    assert_eq!(nothing["pagination"]["lastPage"], true);
}

#[tokio::test]
async fn a_movie_has_its_fields() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    let movies = user.get("/movies?pageSize=100").await.data();
    for movie in &movies {
        assert_fields(movie, &MOVIE_FIELDS);
        let film = film(movie["id"].as_i64().unwrap());
        assert_eq!(movie["title"], film.title);
        assert_eq!(movie["originalTitle"], film.original_title);
        assert_eq!(movie["originalLanguage"], film.language);
        assert_eq!(movie["releaseDate"], film.release_date);
        assert_eq!(movie["popularity"], film.popularity);
        assert_eq!(movie["voteAverage"], film.vote_average);
        assert_eq!(movie["voteCount"], film.votes);
        let genres: Vec<i64> = movie["genres"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_i64().unwrap())
            .collect();
        let mut expected = film.genres.clone();
        expected.sort_unstable();
        assert_eq!(genres, expected);
        // A genre that TMDb has dropped (10769) may have lost its name.
        let named =
            |it: &Value| it["id"] == 10769 || it["name"].as_str().is_some_and(|n| !n.is_empty());
        assert!(movie["genres"].as_array().unwrap().iter().all(named), "{movie}");
    }
}

#[tokio::test]
async fn what_is_permitted_is_the_union_of_subscriptions_and_follows_them_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let user = app.user().await;
    let empty = user.get("/movies").await.expect(200);
    assert_eq!(empty["data"], json!([]));
    assert_eq!(empty["pagination"]["totalPages"], 0);
    let westerns = admin.make_package("Westerns", &[WESTERN]).await;
    let horrors = admin.make_package("Horrors", &[HORROR]).await;
    let held = user.subscribe(&westerns).await;
    let of = |genres: &[i64]| expected("-popularity", |it| has_any(it, genres));
    assert_ids(&user, "/movies", &of(&[WESTERN])).await;
    user.subscribe(&horrors).await;
    assert_ids(&user, "/movies", &of(&[WESTERN, HORROR])).await;
    assert_eq!(user.delete(&format!("/subscriptions/{held}")).await.status / 100, 2);
    assert_ids(&user, "/movies", &of(&[HORROR])).await;
    // Another user's subscriptions are another user's.
    let other = app.subscriber(&[WESTERN]).await;
    assert_ids(&other, "/movies", &of(&[WESTERN])).await;
}

#[tokio::test]
async fn genres_that_are_not_permitted_never_widen_a_list() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, COMEDY]).await;
    for query in [
        "genreId=27",
        "genreId=27&genreId=28",
        "genreId=27&genreMode=all",
        "genreId=18&genreId=27&genreMode=all",
        "genreId=999999",
        "genreId=18&genreId=999999&genreMode=all",
        "genreId=27&excludeGenreId=28",
        "genreId=27&watched=false",
        "genreId=27&watched=true",
    ] {
        let page = user.get(&format!("/movies?{query}")).await.expect(200);
        assert_eq!(page["data"], json!([]), "{query}");
        assert_eq!(page["pagination"]["totalPages"], 0, "{query}");
    }
}

#[tokio::test]
async fn when_all_genres_are_needed_lists_details_and_marks_agree() {
    let app = TestApp::start_with(&[("WATCHME_ENTITLEMENT_MODE", "all")]).await;
    let user = app.subscriber(&MINE).await;
    let permitted = |it: &Film| it.genres.iter().all(|genre| MINE.contains(genre));
    let all = expected("-popularity", permitted);
    assert!(!all.is_empty() && all.len() < expected("title", mine).len());
    assert_ids(&user, "/movies", &all).await;
    let dramas = expected("title", |it| permitted(it) && has_any(it, &[DRAMA]));
    assert_ids(&user, "/movies?genreId=18&sort=title", &dramas).await;
    let search =
        expected("-popularity", |it| permitted(it) && it.title.to_lowercase().contains("love"));
    assert_ids(&user, "/movies/search?query=love", &search).await;
    // One of each kind out of the films themselves.
    let in_part = films().into_iter().find(|it| mine(it) && !permitted(it)).unwrap();
    for (film, allowed) in [(film(FORREST_GUMP), true), (in_part, false), (film(STAR_WARS), false)]
    {
        let details = user.get(&format!("/movies/{}", film.id)).await;
        let mark = user.put(&format!("/watched/{}", film.id), &json!({})).await;
        if allowed {
            assert_eq!((details.status, mark.status), (200, 201), "{}", film.title);
        } else {
            details.problem(403, "movie_not_entitled");
            mark.problem(403, "movie_not_entitled");
        }
    }
}

#[tokio::test]
async fn when_one_genre_is_enough_lists_details_and_marks_agree() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[ADVENTURE]).await;
    let listed = ids(&user, "/movies", 100).await;
    // Star Wars is action as well.
    for (id, allowed) in [(STAR_WARS, true), (FIGHT_CLUB, false), (AMERICAN_BEAUTY, false)] {
        assert_eq!(listed.contains(&id), allowed);
        let details = user.get(&format!("/movies/{id}")).await;
        let mark = user.put(&format!("/watched/{id}"), &json!({})).await;
        if allowed {
            assert_eq!((details.status, mark.status), (200, 201));
        } else {
            details.problem(403, "movie_not_entitled");
            mark.problem(403, "movie_not_entitled");
        }
    }
}

#[tokio::test]
async fn lists_know_what_one_has_watched() {
    let app = TestApp::start().await;
    let user = app.subscriber(&MINE).await;
    let other = app.subscriber(&MINE).await;
    let seen = [FIGHT_CLUB, FORREST_GUMP, AMERICAN_BEAUTY];
    assert_ids(&user, "/movies?watched=true", &[]).await;
    for id in seen {
        user.put(&format!("/watched/{id}"), &json!({})).await.expect(201);
    }
    let watched = expected("-popularity", |it| seen.contains(&it.id));
    let rest = expected("-popularity", |it| mine(it) && !seen.contains(&it.id));
    assert_ids(&user, "/movies?watched=true", &watched).await;
    assert_ids(&user, "/movies?watched=false", &rest).await;
    assert_ids(&user, "/movies?watched=true&genreId=35", &[FORREST_GUMP]).await;
    let few = expected("title", |it| {
        mine(it) && !seen.contains(&it.id) && year(it) == 1999 && it.vote_average >= 7.0
    });
    assert_ids(
        &user,
        "/movies?watched=false&yearFrom=1999&yearTo=1999&minRating=7&sort=title",
        &few,
    )
    .await;
    // Without the filter nothing changes, and nobody else is touched.
    assert_ids(&user, "/movies", &expected("-popularity", mine)).await;
    assert_ids(&other, "/movies?watched=true", &[]).await;
    user.delete(&format!("/watched/{FIGHT_CLUB}")).await.expect(204);
    let left = expected("-popularity", |it| it.id != FIGHT_CLUB && seen.contains(&it.id));
    assert_ids(&user, "/movies?watched=true", &left).await;
    // A mark alone does not permit.
    let stranger = app.subscriber(&[DRAMA]).await;
    stranger.put(&format!("/watched/{FIGHT_CLUB}"), &json!({})).await.expect(201);
    let held = stranger.get("/subscriptions").await.data()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(stranger.delete(&format!("/subscriptions/{held}")).await.status / 100, 2);
    assert_ids(&stranger, "/movies?watched=true", &[]).await;
}

#[tokio::test]
async fn popular_is_the_list_by_popularity() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA, HORROR]).await;
    let popular = expected("-popularity", |it| has_any(it, &[DRAMA, HORROR]));
    assert_ids(&user, "/movies/popular", &popular).await;
    let page = user.get("/movies/popular").await.expect(200);
    assert_eq!(page, user.get("/movies?sort=-popularity").await.expect(200));
    user.get("/movies/popular?genreId=18").await.problem(400, "invalid_query");
}

#[tokio::test]
async fn search_finds_titles_within_what_is_permitted() {
    let app = TestApp::start().await;
    let user = app.subscriber(&MINE).await;
    for text in [
        "love",
        "LOVE",
        "  love ",
        "Amélie",
        "AMÉLIE",
        "the",
        "%",
        "_",
        "100%",
        "'",
        "\\",
        "no film is called this",
    ] {
        let wanted = text.trim().to_lowercase();
        let found = expected("-popularity", |it| {
            mine(it)
                && (it.title.to_lowercase().contains(&wanted)
                    || it.original_title.to_lowercase().contains(&wanted))
        });
        assert_ids(&user, &format!("/movies/search?query={}", encoded(text)), &found).await;
    }
    assert!(ids(&user, "/movies/search?query=fight%20club", 10).await.contains(&FIGHT_CLUB));
    let stranger = app.subscriber(&[WESTERN]).await;
    assert!(!ids(&stranger, "/movies/search?query=fight%20club", 10).await.contains(&FIGHT_CLUB));
    let long = format!("/movies/search?query={}", "x".repeat(201));
    for bad in ["/movies/search", "/movies/search?query=", "/movies/search?query=%20%20", &long] {
        let problem = user.get(bad).await.problem(400, "invalid_query");
        assert_eq!(problem["errors"][0]["field"], "query", "{bad}");
    }
}

#[tokio::test]
async fn a_bad_query_is_400_and_names_the_parameter() {
    let app = TestApp::start().await;
    let user = app.subscriber(&[DRAMA]).await;
    for (query, field) in [
        ("pageNumber=0", "pageNumber"),
        ("pageNumber=-1", "pageNumber"),
        ("pageNumber=1.5", "pageNumber"),
        ("pageNumber=one", "pageNumber"),
        ("pageNumber=", "pageNumber"),
        ("pageSize=0", "pageSize"),
        ("pageSize=ten", "pageSize"),
        ("genreId=drama", "genreId"),
        ("genreId=0", "genreId"),
        ("genreId=-18", "genreId"),
        ("excludeGenreId=x", "excludeGenreId"),
        ("genreMode=some", "genreMode"),
        ("yearFrom=soon", "yearFrom"),
        ("yearTo=99999", "yearTo"),
        ("minRating=11", "minRating"),
        ("minRating=-1", "minRating"),
        ("minRating=NaN", "minRating"),
        ("language=english", "language"),
        ("watched=yes", "watched"),
        ("sort=budget", "sort"),
        ("sort=--title", "sort"),
        ("genres=18", "genres"),
    ] {
        let problem = user.get(&format!("/movies?{query}")).await.problem(400, "invalid_query");
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{query}: {problem}"));
        assert!(errors.iter().any(|error| error["field"] == field), "{query}: {problem}");
        for error in errors {
            assert!(error["code"].is_string() && error["message"].is_string(), "{problem}");
        }
    }
    // Two faults at once are told at once.
    let both = user.get("/movies?pageSize=0&sort=x").await.problem(400, "invalid_query");
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
    // Who one is comes before what one asks.
    let nobody = app.client.get("/movies?pageSize=0").await;
    nobody.problem(401, "unauthenticated");
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
}
