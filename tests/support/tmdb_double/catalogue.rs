//! What the double knows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const MOVIES: &str = include_str!("../../../assets/demo/movies.tsv");
const GENRES: &str = include_str!("../../../assets/demo/genres.tsv");

/// The double's movies and genres, free to be changed by a test.
#[derive(Debug, Clone, Default)]
pub struct TmdbCatalogue {
    /// By id.
    pub movies: BTreeMap<i64, Film>,
    /// Names by id.
    pub genres: BTreeMap<i64, String>,
    /// What lists say in `total_pages` instead of the truth.
    pub claimed_pages: Option<u64>,
}

/// One movie.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    pub id: i64,
    pub title: String,
    pub original_title: String,
    pub language: String,
    pub release_date: String,
    pub runtime: Option<u32>,
    pub genres: Vec<i64>,
    pub popularity: f64,
    pub vote_average: f64,
    pub votes: u32,
    /// Fields that replace those above on the wire, in rows and details alike; any JSON.
    pub wire: Map<String, Value>,
    /// Fields that the details have besides.
    pub details: Map<String, Value>,
}

impl TmdbCatalogue {
    /// The facts of the demo catalogue.
    pub fn demo() -> Self {
        let rows = |text: &'static str| text.lines().skip(1).map(|line| line.split('\t'));
        let genres = rows(GENRES)
            .map(|mut row| (row.next().unwrap().parse().unwrap(), row.next().unwrap().to_owned()))
            .collect();
        let movies = rows(MOVIES)
            .map(|row| Film::from_columns(&row.collect::<Vec<_>>()))
            .map(|film| (film.id, film))
            .collect();
        Self { movies, genres, claimed_pages: None }
    }

    /// Movies 1 to `count`, called `Film 1` and so on, the first the most popular, each with two
    /// of the genres, a description and pictures.
    pub fn generated(count: i64) -> Self {
        let genres = Self::demo().genres;
        let ids: Vec<i64> = genres.keys().copied().collect();
        let nth = |n: i64| ids[usize::try_from(n).unwrap() % ids.len()];
        let movies = (1..=count)
            .map(|id| {
                let film = Film {
                    id,
                    title: format!("Film {id}"),
                    original_title: format!("Film {id}"),
                    language: "en".to_owned(),
                    release_date: format!("{}-06-01", 1950 + id % 70),
                    runtime: Some(90),
                    genres: vec![nth(id), nth(id + 1)],
                    popularity: (count - id + 1) as f64,
                    vote_average: (id % 100) as f64 / 10.0,
                    votes: 100,
                    wire: object(json!({
                        "overview": format!("What happens in film {id}."),
                        "poster_path": format!("/poster{id}.jpg"),
                        "backdrop_path": format!("/backdrop{id}.jpg"),
                    })),
                    details: Map::new(),
                };
                (id, film)
            })
            .collect();
        Self { movies, genres, claimed_pages: None }
    }

    /// A movie to be changed.
    pub fn movie(&mut self, id: i64) -> &mut Film {
        self.movies.get_mut(&id).expect("the double has no such movie")
    }

    pub(super) fn most_popular_first(&self, wanted: impl Fn(&Film) -> bool) -> Vec<&Film> {
        let mut found: Vec<&Film> = self.movies.values().filter(|film| wanted(film)).collect();
        found.sort_by(|a, b| b.popularity.total_cmp(&a.popularity).then(a.id.cmp(&b.id)));
        found
    }
}

impl Film {
    fn from_columns(columns: &[&str]) -> Self {
        let [id, title, original, language, released, minutes, genres, popularity, average, votes] =
            columns
        else {
            panic!("a movie of the demo with {} columns", columns.len());
        };
        Self {
            id: id.parse().unwrap(),
            title: (*title).to_owned(),
            original_title: (*if original.is_empty() { title } else { original }).to_owned(),
            language: (*language).to_owned(),
            release_date: (*released).to_owned(),
            runtime: minutes.parse().ok(),
            genres: genres.split(',').map(|id| id.parse().unwrap()).collect(),
            popularity: popularity.parse().unwrap(),
            vote_average: average.parse().unwrap(),
            votes: votes.parse().unwrap(),
            wire: Map::new(),
            details: Map::new(),
        }
    }

    pub(super) fn row(&self) -> Value {
        let mut row = self.common();
        row.insert("genre_ids".to_owned(), json!(self.genres));
        row.extend(self.wire.clone());
        Value::Object(row)
    }

    pub(super) fn details(&self, genres: &BTreeMap<i64, String>, credits: bool) -> Value {
        let named = |id: &i64| json!({ "id": id, "name": genres.get(id) });
        let mut details = self.common();
        details.extend(object(json!({
            "belongs_to_collection": null,
            "budget": 0,
            "genres": self.genres.iter().map(named).collect::<Vec<_>>(),
            "homepage": "",
            "imdb_id": null,
            "production_companies": [],
            "production_countries": [],
            "revenue": 0,
            // TMDb writes 0 for what it does not know.
            "runtime": self.runtime.unwrap_or(0),
            "spoken_languages": [],
            "status": "Released",
            "tagline": "",
        })));
        if credits {
            details.insert("credits".to_owned(), json!({ "cast": [], "crew": [] }));
        }
        details.extend(self.wire.clone());
        details.extend(self.details.clone());
        Value::Object(details)
    }

    fn common(&self) -> Map<String, Value> {
        object(json!({
            "adult": false,
            "backdrop_path": null,
            "id": self.id,
            "original_language": self.language,
            "original_title": self.original_title,
            "overview": "",
            "popularity": self.popularity,
            "poster_path": null,
            "release_date": self.release_date,
            "title": self.title,
            "video": false,
            "vote_average": self.vote_average,
            "vote_count": self.votes,
        }))
    }
}

/// The fields of an object that was written with `json!`.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("not an object: {other}"),
    }
}
