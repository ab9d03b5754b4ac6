//! What lists of movies are made of.

use super::{GenreSet, Movie, MovieId};

/// A movie as lists filter and order it, without what only its readers see.
#[derive(Debug, Clone, PartialEq)]
pub struct MovieRow {
    /// TMDb's number.
    pub id: MovieId,
    /// The title in lower case.
    pub title_key: String,
    /// The original title in lower case.
    pub original_title_key: String,
    /// ISO 639-1, or empty where TMDb does not know it.
    pub original_language: String,
    /// [`Movie::released`].
    pub released: Option<i32>,
    /// TMDb's numbers of its genres; may be empty.
    pub genres: GenreSet,
    /// TMDb's measure, from 0.
    pub popularity: f64,
    /// From 0 to 10.
    pub vote_average: f64,
}

impl From<&Movie> for MovieRow {
    fn from(movie: &Movie) -> Self {
        Self {
            id: movie.id,
            title_key: movie.title.to_lowercase(),
            original_title_key: movie.original_title.to_lowercase(),
            original_language: movie.original_language.clone(),
            released: movie.released(),
            genres: movie.genres.clone(),
            popularity: movie.popularity,
            vote_average: movie.vote_average,
        }
    }
}
