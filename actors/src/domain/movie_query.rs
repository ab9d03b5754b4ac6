//! What may be asked of the list of movies.

use std::str::FromStr;

use super::{Entitlement, GenreId, GenreSet, Invalid, Movie, MovieId};

/// How several requested genres combine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum GenreMode {
    /// A movie needs one of them.
    #[default]
    Any,
    /// A movie needs all of them.
    All,
}

/// What a list can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MovieSortKey {
    /// TMDb's measure.
    Popularity,
    /// The average vote.
    Rating,
    /// The date of release; unknown dates come first when ascending.
    ReleaseDate,
    /// The title, compared without regard to case.
    Title,
}

/// An order; ties are broken by ascending id, so that it is total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MovieSort {
    /// What is compared.
    pub key: MovieSortKey,
    /// Largest first.
    pub descending: bool,
}

impl Default for MovieSort {
    fn default() -> Self {
        Self { key: MovieSortKey::Popularity, descending: true }
    }
}

impl FromStr for MovieSort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (descending, word) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let key = match word {
            "popularity" => MovieSortKey::Popularity,
            "rating" => MovieSortKey::Rating,
            "releaseDate" => MovieSortKey::ReleaseDate,
            "title" => MovieSortKey::Title,
            _ => {
                return Err(Invalid::new(
                    "unknown_sort",
                    "must be `popularity`, `rating`, `releaseDate` or `title`, with `-` before it for descending",
                ));
            }
        };
        Ok(Self { key, descending })
    }
}

/// Which movies a caller wants, before the entitlement is applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MovieFilter {
    /// Requested genres; none means every permitted one.
    pub genres: GenreSet,
    /// How they combine.
    pub genre_mode: GenreMode,
    /// Movies with one of these are left out.
    pub excluded_genres: GenreSet,
    /// First year of release, inclusive.
    pub year_from: Option<i16>,
    /// Last year of release, inclusive.
    pub year_to: Option<i16>,
    /// Lowest average vote, inclusive, from 0 to 10.
    pub min_rating: Option<f64>,
    /// ISO 639-1 code of the original language.
    pub language: Option<String>,
    /// Text that the title or the original title contains, without regard to case.
    pub text: Option<String>,
}

/// A filter that has met an entitlement: everything that a store needs to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieQuery {
    /// The caller's wishes; its genres are all permitted.
    pub filter: MovieFilter,
    /// What the caller may see.
    pub entitlement: Entitlement,
    /// `Some(true)`: only `watched_movies`; `Some(false)`: all but them.
    pub watched: Option<bool>,
    /// The caller's watched movies; empty unless `watched` is set.
    pub watched_movies: Vec<MovieId>,
    /// The order.
    pub sort: MovieSort,
}

impl MovieQuery {
    /// Narrows a filter to an entitlement. `None` when nothing can match: no entitlement, only
    /// genres that are not permitted, or all of several of which one is not.
    #[must_use]
    pub fn new(filter: MovieFilter, entitlement: Entitlement, sort: MovieSort) -> Option<Self> {
        let permitted = filter.genres.intersection(&entitlement.genres);
        let impossible = entitlement.genres.is_empty()
            || (!filter.genres.is_empty() && permitted.is_empty())
            || (filter.genre_mode == GenreMode::All && permitted != filter.genres);
        (!impossible).then(|| Self {
            filter: MovieFilter { genres: permitted, ..filter },
            entitlement,
            watched: None,
            watched_movies: Vec::new(),
            sort,
        })
    }

    /// Narrows it to movies that the caller has, or has not, watched.
    #[must_use]
    pub fn with_watched(mut self, watched: bool, movies: Vec<MovieId>) -> Self {
        self.watched = Some(watched);
        self.watched_movies = movies;
        self
    }

    /// Whether a movie belongs to the answer. Stores may compute it their own way; this is what
    /// they have to agree with.
    #[must_use]
    pub fn matches(&self, movie: &Movie) -> bool {
        let filter = &self.filter;
        let wanted = |genre: GenreId| movie.genres.contains(genre);
        let genres_match = filter.genres.is_empty()
            || match filter.genre_mode {
                GenreMode::Any => filter.genres.iter().any(wanted),
                GenreMode::All => filter.genres.iter().all(wanted),
            };
        let year = movie.release_year();
        let text_matches = filter.text.as_ref().is_none_or(|text| {
            let text = text.to_lowercase();
            movie.title.to_lowercase().contains(&text)
                || movie.original_title.to_lowercase().contains(&text)
        });
        self.entitlement.permits(&movie.genres)
            && genres_match
            && !movie.genres.intersects(&filter.excluded_genres)
            && filter.year_from.is_none_or(|from| year.is_some_and(|year| year >= from))
            && filter.year_to.is_none_or(|to| year.is_some_and(|year| year <= to))
            && filter.min_rating.is_none_or(|min| movie.vote_average >= min)
            && filter.language.as_ref().is_none_or(|code| *code == movie.original_language)
            && self.watched.is_none_or(|watched| self.watched_movies.contains(&movie.id) == watched)
            && text_matches
    }
}
