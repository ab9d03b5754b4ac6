//! From what TMDb sends to what the catalogue keeps: tolerant of one odd row, strict about an
//! answer as a whole.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};
use watchme_actors::{
    domain::{
        CastMember, GenreId, ListedGenre, Movie, MovieDetails, MovieId, MoviePage, Timestamp,
    },
    ports::MetadataError,
};

use super::{clean, wire};

const LAST_PAGE: u64 = 500;
const MAX_TITLE: usize = 500;
const MAX_OVERVIEW: usize = 10_000;
const MAX_NAME: usize = 300;
const MAX_GENRE_NAME: usize = 100;
const MAX_PEOPLE: usize = 20;
/// Longer than the longest film there is (36 days).
const MAX_RUNTIME: u32 = 100_000;

fn malformed(reason: impl Into<String>) -> MetadataError {
    MetadataError::Malformed(reason.into())
}

/// Reads a frame. The reason names a place but no content: that may be anything.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, MetadataError> {
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Eof => "the answer ends early",
            Category::Syntax | Category::Io => "the answer is not JSON",
            Category::Data => "the answer has another form than documented",
        };
        malformed(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

/// The genres of an answer, each once, in order of id; a name that is blank is `None`.
///
/// One genre that cannot be read spoils the list: leaving it out would retire it.
pub(super) fn genres(body: &[u8]) -> Result<Vec<ListedGenre>, MetadataError> {
    let list: wire::GenreList = read(body)?;
    if list.genres.is_empty() {
        return Err(malformed("the list of genres is empty"));
    }
    let named = list.genres.into_iter().map(|genre| {
        let id = genre.id.and_then(|id| GenreId::try_from(id).ok());
        let id = id.ok_or_else(|| malformed("a genre without a valid id"))?;
        Ok((id, clean::line(genre.name, MAX_GENRE_NAME)))
    });
    let named: BTreeMap<GenreId, Option<String>> = named.collect::<Result<_, MetadataError>>()?;
    Ok(named.into_iter().map(|(id, name)| ListedGenre { id, name }).collect())
}

/// A page of a list.
pub(super) fn page(body: &[u8], asked: u32, now: Timestamp) -> Result<MoviePage, MetadataError> {
    let page: wire::Page = read(body)?;
    if page.page != asked {
        return Err(malformed(format!("page {} instead of page {asked}", page.page)));
    }
    let rows = page.results.len();
    let movies: Vec<Movie> = page
        .results
        .into_iter()
        .filter_map(|row| movie(serde_json::from_value(row).ok()?, now))
        .collect();
    Ok(MoviePage {
        rejected: u32::try_from(rows - movies.len()).unwrap_or(u32::MAX),
        movies,
        total_pages: u32::try_from(page.total_pages.min(LAST_PAGE)).unwrap_or(u32::MAX),
    })
}

/// The details of a movie.
pub(super) fn details(body: &[u8], asked: MovieId, now: Timestamp) -> Result<Movie, MetadataError> {
    let value: Value = read(body)?;
    let other_form = |_| malformed("the details have another form than documented");
    let extra: wire::Details = serde_json::from_value(value.clone()).map_err(other_form)?;
    let row: wire::Movie = serde_json::from_value(value).map_err(other_form)?;
    let movie = movie(row, now).ok_or_else(|| malformed("details without a valid id or title"))?;
    if movie.id != asked {
        return Err(malformed(format!("movie {} instead of movie {asked}", movie.id)));
    }
    Ok(Movie { details: Some(movie_details(extra, now)), ..movie })
}

/// `None` without a valid id and a title: nothing can be made of such a row.
fn movie(row: wire::Movie, fetched_at: Timestamp) -> Option<Movie> {
    let id = MovieId::try_from(row.id?).ok()?;
    let title = clean::line(row.title, MAX_TITLE)?;
    let genre_ids = row.genres.into_iter().filter_map(|genre| genre.id).chain(row.genre_ids);
    Some(Movie {
        id,
        original_title: clean::line(row.original_title, MAX_TITLE).unwrap_or_else(|| title.clone()),
        title,
        original_language: clean::language(row.original_language),
        overview: clean::text(row.overview, MAX_OVERVIEW),
        release_date: clean::date(row.release_date),
        genres: genre_ids.filter_map(|id| GenreId::try_from(id).ok()).collect(),
        popularity: clean::popularity(row.popularity),
        vote_average: clean::vote_average(row.vote_average),
        vote_count: row.vote_count.unwrap_or(0),
        poster_path: clean::picture(row.poster_path),
        backdrop_path: clean::picture(row.backdrop_path),
        details: None,
        fetched_at,
    })
}

fn movie_details(extra: wire::Details, fetched_at: Timestamp) -> MovieDetails {
    // TMDb writes 0 for what it does not know.
    let known = |amount: Option<u64>| amount.filter(|amount| *amount > 0);
    let wire::Credits { mut cast, crew } = extra.credits.unwrap_or_default();
    cast.sort_by_key(|member| member.order.unwrap_or(i64::MAX));
    MovieDetails {
        runtime: extra.runtime.filter(|minutes| (1..=MAX_RUNTIME).contains(minutes)),
        tagline: clean::line(extra.tagline, MAX_TITLE).unwrap_or_default(),
        status: clean::line(extra.status, MAX_NAME).unwrap_or_default(),
        homepage: clean::homepage(extra.homepage),
        imdb_id: clean::imdb_id(extra.imdb_id),
        budget: known(extra.budget),
        revenue: known(extra.revenue),
        countries: extra
            .production_countries
            .into_iter()
            .filter_map(|country| clean::country(country.iso_3166_1))
            .collect(),
        cast: cast
            .into_iter()
            .filter_map(|member| {
                let name = clean::line(member.name, MAX_NAME)?;
                let character = clean::line(member.character, MAX_NAME).unwrap_or_default();
                Some(CastMember { name, character })
            })
            .take(MAX_PEOPLE)
            .collect(),
        directors: crew
            .into_iter()
            .filter(|member| member.job.as_deref() == Some("Director"))
            .filter_map(|member| clean::line(member.name, MAX_NAME))
            .take(MAX_PEOPLE)
            .collect(),
        fetched_at,
    }
}
