//! What may be asked of the lists of movies.

use std::str::FromStr;

use serde::Deserialize;
use utoipa::IntoParams;
use watchme_actors::{
    domain::{GenreId, GenreMode, Invalid, MovieFilter, MovieSort, PageRequest, bounded_line},
    trending::TrendingWindow,
};

use super::{Problem, check::Check, genres::Flag, pages, shapes::GenreNumber};

const MAX_GENRES: usize = 200;
const MAX_TEXT: usize = 200;
const YEARS: std::ops::RangeInclusive<i16> = 1870..=2200;

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct MoviesQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
    /// Only movies of these genres, as far as they are permitted. Repeated, or parted by commas.
    #[param(value_type = Vec<GenreNumber>, required = false, max_items = 200)]
    genre_id: Vec<String>,
    /// `any` (the default): one of the genres asked for is enough. `all`: a movie needs each.
    #[param(required = false, pattern = "^(any|all)$")]
    genre_mode: Option<String>,
    /// Movies of these genres are left out. Repeated, or parted by commas.
    #[param(value_type = Vec<GenreNumber>, required = false, max_items = 200)]
    exclude_genre_id: Vec<String>,
    /// First year of release, inclusive.
    #[param(value_type = i16, required = false, minimum = 1870, maximum = 2200)]
    year_from: Option<String>,
    /// Last year of release, inclusive.
    #[param(value_type = i16, required = false, minimum = 1870, maximum = 2200)]
    year_to: Option<String>,
    /// Lowest average vote, inclusive.
    #[param(value_type = f64, required = false, minimum = 0, maximum = 10)]
    min_rating: Option<String>,
    /// ISO 639-1 code of the original language.
    #[param(required = false, pattern = "^[A-Za-z]{2}$", example = "en")]
    language: Option<String>,
    /// Only movies that the caller has, or has not, watched.
    #[param(value_type = bool, required = false)]
    watched: Option<String>,
    /// `popularity`, `rating`, `releaseDate` or `title`, with `-` before it for descending;
    /// `-popularity` when not given. Ties are broken by ascending id.
    #[param(required = false, pattern = "^-?(popularity|rating|releaseDate|title)$")]
    sort: Option<String>,
}

/// A list that was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) filter: MovieFilter,
    pub(crate) sort: MovieSort,
    pub(crate) watched: Option<bool>,
    pub(crate) page: PageRequest,
}

impl MoviesQuery {
    pub(crate) fn wanted(self) -> Result<Wanted, Problem> {
        let mut check = Check::query();
        let page =
            pages::requested(&mut check, self.page_number.as_deref(), self.page_size.as_deref());
        let genres = check.list::<GenreId>("genreId", &self.genre_id, MAX_GENRES);
        let excluded = check.list::<GenreId>("excludeGenreId", &self.exclude_genre_id, MAX_GENRES);
        let mode = check.optional::<Mode>("genreMode", self.genre_mode.as_deref());
        let year_from = check.optional::<Year>("yearFrom", self.year_from.as_deref());
        let year_to = check.optional::<Year>("yearTo", self.year_to.as_deref());
        let min_rating = check.optional::<Rating>("minRating", self.min_rating.as_deref());
        let language = check.optional::<Language>("language", self.language.as_deref());
        let watched = check.optional::<Flag>("watched", self.watched.as_deref());
        let sort = check.optional::<MovieSort>("sort", self.sort.as_deref());
        check.done()?;
        let filter = MovieFilter {
            genres: genres.into_iter().collect(),
            genre_mode: mode.map_or(GenreMode::Any, |mode| mode.0),
            excluded_genres: excluded.into_iter().collect(),
            year_from: year_from.map(|year| year.0),
            year_to: year_to.map(|year| year.0),
            min_rating: min_rating.map(|rating| rating.0),
            language: language.map(|language| language.0),
            text: None,
        };
        let watched = watched.map(|flag| flag.0);
        Ok(Wanted { filter, sort: sort.unwrap_or_default(), watched, page })
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct PopularQuery {
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

impl PopularQuery {
    pub(crate) fn wanted(self) -> Result<Wanted, Problem> {
        let Self { page_number, page_size } = self;
        MoviesQuery { page_number, page_size, ..MoviesQuery::default() }.wanted()
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Text that the title or the original title contains, without regard to case.
    #[param(value_type = String, required = true, min_length = 1, max_length = 200, example = "fight")]
    query: Option<String>,
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

impl SearchQuery {
    pub(crate) fn wanted(self) -> Result<Wanted, Problem> {
        let mut check = Check::query();
        let text = match &self.query {
            Some(text) => check.take("query", bounded_line(text, MAX_TEXT)),
            None => check.take("query", Err(Invalid::new("required", "is required"))),
        };
        let Some(text) = text else { return Err(check.problem()) };
        let Self { page_number, page_size, .. } = self;
        let mut wanted = PopularQuery { page_number, page_size }.wanted()?;
        wanted.filter.text = Some(text);
        Ok(wanted)
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TrendingQuery {
    /// How far back one looks: `24h` (the default) or `7d`.
    #[param(required = false, pattern = "^(24h|7d)$", example = "24h")]
    window: Option<String>,
    /// From 1.
    #[param(value_type = u32, required = false, minimum = 1, example = 1)]
    page_number: Option<String>,
    /// At most 100; more is clamped. 10 when not given.
    #[param(value_type = u32, required = false, minimum = 1, example = 10)]
    page_size: Option<String>,
}

impl TrendingQuery {
    pub(crate) fn wanted(self) -> Result<(TrendingWindow, PageRequest), Problem> {
        let mut check = Check::query();
        let window = check.optional::<TrendingWindow>("window", self.window.as_deref());
        let page =
            pages::requested(&mut check, self.page_number.as_deref(), self.page_size.as_deref());
        check.done()?;
        Ok((window.unwrap_or_default(), page))
    }
}

struct Mode(GenreMode);

impl FromStr for Mode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "any" => Ok(Self(GenreMode::Any)),
            "all" => Ok(Self(GenreMode::All)),
            _ => Err(Invalid::new("unknown_word", "must be `any` or `all`")),
        }
    }
}

struct Year(i16);

impl FromStr for Year {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(year) if YEARS.contains(&year) => Ok(Self(year)),
            _ => Err(Invalid::new("not_a_year", "must be a year from 1870 to 2200")),
        }
    }
}

struct Rating(f64);

impl FromStr for Rating {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            // Not a number is in no range.
            Ok(rating) if (0.0..=10.0).contains(&rating) => Ok(Self(rating)),
            _ => Err(Invalid::new("not_a_rating", "must be a number from 0 to 10")),
        }
    }
}

struct Language(String);

impl FromStr for Language {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(Invalid::new("not_a_language", "must be two letters such as `en`"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::query;

    fn asked(text: &str) -> Result<Wanted, Problem> {
        let request = TestRequest::with_uri(&format!("/?{text}")).to_http_request();
        query::parse::<MoviesQuery>(&request)?.wanted()
    }

    #[test]
    fn every_filter_is_understood() {
        let wanted = asked(
            "genreId=18&genreId=28,35&genreMode=all&excludeGenreId=27&yearFrom=1999&yearTo=2000\
             &minRating=7.5&language=EN&watched=false&sort=-releaseDate&pageNumber=2&pageSize=20",
        )
        .unwrap();
        assert_eq!(wanted.filter.genres.len(), 3);
        assert_eq!(wanted.filter.genre_mode, GenreMode::All);
        assert_eq!(wanted.filter.excluded_genres.len(), 1);
        assert_eq!((wanted.filter.year_from, wanted.filter.year_to), (Some(1999), Some(2000)));
        assert_eq!(wanted.filter.min_rating, Some(7.5));
        assert_eq!(wanted.filter.language.as_deref(), Some("en"));
        assert_eq!(wanted.watched, Some(false));
        assert!(wanted.sort.descending);
        assert_eq!((wanted.page.number(), wanted.page.size()), (2, 20));
    }

    #[test]
    fn every_wrong_parameter_is_named_at_once() {
        let problem = asked(
            "genreId=x&genreMode=some&yearFrom=1869&yearTo=x&minRating=NaN&language=eng\
             &watched=on&sort=popularity-&pageNumber=0",
        )
        .err()
        .unwrap();
        let named: Vec<_> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            named,
            [
                "pageNumber",
                "genreId",
                "genreMode",
                "yearFrom",
                "yearTo",
                "minRating",
                "language",
                "watched",
                "sort"
            ]
        );
    }

    #[test]
    fn ratings_are_finite() {
        for bad in ["inf", "-0.1", "10.01", "", "nan"] {
            assert!(bad.parse::<Rating>().is_err(), "{bad}");
        }
    }
}
