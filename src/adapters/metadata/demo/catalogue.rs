//! A [`MetadataSource`] over the built-in facts that answers as TMDb would.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use watchme_actors::{
    domain::{
        GenreId, ListedGenre, Movie, MovieDetails, MovieId, MoviePage, RemoteGenre, Timestamp,
    },
    ports::{Clock, MetadataError, MetadataSource},
};

use super::facts::{self, DemoError, Film};

const PAGE_ROWS: usize = 20;
const LAST_PAGE: u32 = 500;

/// The built-in catalogue: 3,000 films and TMDb's genres, in memory, never failing.
pub struct DemoCatalogue {
    clock: Arc<dyn Clock>,
    genres: Vec<RemoteGenre>,
    /// Most popular first, ties by ascending id: every list is in this order.
    films: Vec<Film>,
    /// Titles in lower case, in the order of `films`.
    titles: Vec<[String; 2]>,
    by_id: HashMap<MovieId, usize>,
    by_genre: HashMap<GenreId, Vec<usize>>,
}

impl DemoCatalogue {
    /// Reads the built-in files, within a few milliseconds. Answers carry the clock's time.
    ///
    /// # Errors
    /// When a built-in file cannot be read.
    pub fn new(clock: Arc<dyn Clock>) -> Result<Self, DemoError> {
        let mut films = facts::films()?;
        films.sort_by(|a, b| {
            b.row.popularity.total_cmp(&a.row.popularity).then(a.row.id.cmp(&b.row.id))
        });
        let mut by_genre: HashMap<GenreId, Vec<usize>> = HashMap::new();
        for (index, film) in films.iter().enumerate() {
            for genre in film.row.genres.iter() {
                by_genre.entry(genre).or_default().push(index);
            }
        }
        let titles = films
            .iter()
            .map(|film| [film.row.title.to_lowercase(), film.row.original_title.to_lowercase()])
            .collect();
        let by_id = films.iter().enumerate().map(|(index, film)| (film.row.id, index)).collect();
        Ok(Self { clock, genres: facts::genres()?, films, titles, by_id, by_genre })
    }

    fn page(&self, matching: &[usize], page: u32) -> Result<MoviePage, MetadataError> {
        if !(1..=LAST_PAGE).contains(&page) {
            return Err(MetadataError::Refused(format!("pages go from 1 to {LAST_PAGE}")));
        }
        let fetched_at = self.clock.now();
        let start = (page as usize - 1) * PAGE_ROWS;
        let movies = matching
            .iter()
            .skip(start)
            .take(PAGE_ROWS)
            .filter_map(|index| self.films.get(*index))
            .map(|film| Movie { fetched_at, ..film.row.clone() })
            .collect();
        let pages = u32::try_from(matching.len().div_ceil(PAGE_ROWS)).unwrap_or(LAST_PAGE);
        Ok(MoviePage { movies, total_pages: pages.min(LAST_PAGE), rejected: 0 })
    }
}

#[async_trait]
impl MetadataSource for DemoCatalogue {
    async fn genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        Ok(self.genres.iter().cloned().map(ListedGenre::from).collect())
    }

    async fn english_genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        self.genres().await
    }

    async fn discover(&self, genre: GenreId, page: u32) -> Result<MoviePage, MetadataError> {
        self.page(self.by_genre.get(&genre).map_or(&[], Vec::as_slice), page)
    }

    async fn search(&self, text: &str, page: u32) -> Result<MoviePage, MetadataError> {
        let wanted = text.trim().to_lowercase();
        // An empty text is contained in every title, but finds nothing at TMDb.
        let found: Vec<usize> = if wanted.is_empty() {
            Vec::new()
        } else {
            (0..)
                .zip(&self.titles)
                .filter(|(_, titles)| titles.iter().any(|title| title.contains(&wanted)))
                .map(|(index, _)| index)
                .collect()
        };
        self.page(&found, page)
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, MetadataError> {
        let fetched_at = self.clock.now();
        let film = self.by_id.get(&id).and_then(|index| self.films.get(*index));
        Ok(film.map(|film| Movie {
            details: Some(details(film, fetched_at)),
            fetched_at,
            ..film.row.clone()
        }))
    }
}

fn details(film: &Film, fetched_at: Timestamp) -> MovieDetails {
    MovieDetails {
        runtime: film.runtime,
        tagline: String::new(),
        status: String::new(),
        homepage: None,
        imdb_id: None,
        budget: None,
        revenue: None,
        countries: Vec::new(),
        cast: Vec::new(),
        directors: Vec::new(),
        fetched_at,
    }
}
