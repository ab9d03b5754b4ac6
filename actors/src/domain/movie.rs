//! Movies as the catalogue stores them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{GenreSet, MovieId, Timestamp};

/// A movie of the stored catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movie {
    /// TMDb's number.
    pub id: MovieId,
    /// In the catalogue's language; never blank.
    pub title: String,
    /// In the movie's own language; never blank.
    pub original_title: String,
    /// ISO 639-1, or empty where TMDb does not know it.
    pub original_language: String,
    /// May be empty.
    pub overview: String,
    /// `None` where TMDb does not know it.
    pub release_date: Option<Date>,
    /// TMDb's numbers of its genres; may be empty.
    pub genres: GenreSet,
    /// TMDb's measure, from 0.
    pub popularity: f64,
    /// From 0 to 10.
    pub vote_average: f64,
    /// How many voted.
    pub vote_count: u32,
    /// Path below the image base address, with its leading slash.
    pub poster_path: Option<String>,
    /// Path below the image base address, with its leading slash.
    pub backdrop_path: Option<String>,
    /// What only the details page brings; `None` until it was fetched.
    pub details: Option<MovieDetails>,
    /// When the source last confirmed this movie.
    pub fetched_at: Timestamp,
}

/// What TMDb's details of a movie add to its row in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovieDetails {
    /// Minutes; `None` where TMDb does not know it.
    pub runtime: Option<u32>,
    /// May be empty.
    pub tagline: String,
    /// TMDb's word, such as `Released`; may be empty.
    pub status: String,
    /// The movie's own page.
    pub homepage: Option<String>,
    /// Such as `tt0137523`.
    pub imdb_id: Option<String>,
    /// US dollars; `None` where TMDb does not know it.
    pub budget: Option<u64>,
    /// US dollars; `None` where TMDb does not know it.
    pub revenue: Option<u64>,
    /// ISO 3166-1 codes of the countries of production.
    pub countries: Vec<String>,
    /// The first of the cast, in billing order, at most twenty.
    pub cast: Vec<CastMember>,
    /// Names of the directors.
    pub directors: Vec<String>,
    /// When the details were fetched.
    pub fetched_at: Timestamp,
}

/// Somebody who plays in a movie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CastMember {
    /// The person's name.
    pub name: String,
    /// Whom they play; may be empty.
    pub character: String,
}

impl Movie {
    /// Whether lists show the same of both: all but details, and when they were fetched.
    #[must_use]
    pub fn lists_like(&self, other: &Self) -> bool {
        let row =
            |movie: &Self| Self { details: None, fetched_at: Timestamp::EPOCH, ..movie.clone() };
        row(self) == row(other)
    }

    /// The year of release.
    #[must_use]
    pub fn release_year(&self) -> Option<i16> {
        self.release_date.map(Date::year)
    }

    /// The date of release as the number yyyymmdd: it sorts by date, and its quotient by 10,000
    /// is the year.
    #[must_use]
    pub fn released(&self) -> Option<i32> {
        let number = |date: Date| {
            i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
        };
        self.release_date.map(number)
    }
}

/// One page of a list that the metadata source sent, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MoviePage {
    /// The rows that could be read.
    pub movies: Vec<Movie>,
    /// How many pages the source says there are, at most 500 (TMDb sends none beyond).
    pub total_pages: u32,
    /// Rows that could not be read and were left out.
    pub rejected: u32,
}
