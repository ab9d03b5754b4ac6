//! The files of `assets/demo/`, read into types.

use std::str::FromStr;

use jiff::civil::Date;
use watchme_actors::domain::{
    GenreId, GenreSet, Movie, MovieId, PackageName, RemoteGenre, Timestamp,
};

const MOVIES: &str = include_str!("../../../../assets/demo/movies.tsv");
const GENRES: &str = include_str!("../../../../assets/demo/genres.tsv");
const PACKAGES: &str = include_str!("../../../../assets/demo/packages.tsv");

/// A line of a built-in file is not what its reader expects: the build is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("demo {file}, line {line}: bad or missing {column}")]
pub struct DemoError {
    file: &'static str,
    line: usize,
    column: &'static str,
}

/// A package of the demo, made at the first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoPackage {
    /// Its name.
    pub name: PackageName,
    /// What it enables; at least one genre.
    pub genres: GenreSet,
}

/// A movie of the demo as a row of a list, and what its details add.
#[derive(Debug)]
pub(super) struct Film {
    pub(super) row: Movie,
    pub(super) runtime: Option<u32>,
}

/// The packages of the demo.
///
/// # Errors
/// When the built-in file cannot be read.
pub fn demo_packages() -> Result<Vec<DemoPackage>, DemoError> {
    read("packages", PACKAGES, |row| {
        let name = row.parse("name")?;
        let genres = row.genres()?;
        if genres.is_empty() {
            return Err(row.bad("genres"));
        }
        Ok(DemoPackage { name, genres })
    })
}

pub(super) fn genres() -> Result<Vec<RemoteGenre>, DemoError> {
    read("genres", GENRES, |row| {
        Ok(RemoteGenre { id: row.parse("id")?, name: row.text("name")?.to_owned() })
    })
}

pub(super) fn films() -> Result<Vec<Film>, DemoError> {
    read("movies", MOVIES, |row| {
        let id: MovieId = row.parse("id")?;
        let title = row.text("title")?;
        let original_title = match row.next("original title")? {
            "" => title,
            other => other,
        };
        let original_language = row.text("language")?;
        let released: Date = row.parse("release date")?;
        let runtime = match row.next("minutes")? {
            "" => None,
            minutes => Some(minutes.parse().map_err(|_| row.bad("minutes"))?),
        };
        let row = Movie {
            id,
            title: title.to_owned(),
            original_title: original_title.to_owned(),
            original_language: original_language.to_owned(),
            overview: String::new(),
            release_date: Some(released),
            genres: row.genres()?,
            popularity: row.parse("popularity")?,
            vote_average: row.parse("vote average")?,
            vote_count: row.parse("votes")?,
            poster_path: None,
            backdrop_path: None,
            details: None,
            // Set to the time of the answer whenever one is given.
            fetched_at: Timestamp::EPOCH,
        };
        Ok(Film { row, runtime })
    })
}

/// One line, its columns taken one after the other.
struct Row {
    file: &'static str,
    line: usize,
    columns: std::str::Split<'static, char>,
}

impl Row {
    fn bad(&self, column: &'static str) -> DemoError {
        DemoError { file: self.file, line: self.line, column }
    }

    fn next(&mut self, column: &'static str) -> Result<&'static str, DemoError> {
        self.columns.next().ok_or_else(|| self.bad(column))
    }

    fn text(&mut self, column: &'static str) -> Result<&'static str, DemoError> {
        let text = self.next(column)?;
        if text.is_empty() { Err(self.bad(column)) } else { Ok(text) }
    }

    fn parse<T: FromStr>(&mut self, column: &'static str) -> Result<T, DemoError> {
        self.next(column)?.parse().map_err(|_| self.bad(column))
    }

    fn genres(&mut self) -> Result<GenreSet, DemoError> {
        self.next("genres")?
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| id.parse::<GenreId>().map_err(|_| self.bad("genres")))
            .collect()
    }
}

fn read<T>(
    file: &'static str,
    text: &'static str,
    mut parse: impl FnMut(&mut Row) -> Result<T, DemoError>,
) -> Result<Vec<T>, DemoError> {
    text.lines()
        .enumerate()
        .skip(1) // the header
        .map(|(index, line)| {
            let mut row = Row { file, line: index + 1, columns: line.split('\t') };
            let value = parse(&mut row)?;
            match row.columns.next() {
                None => Ok(value),
                Some(_) => Err(row.bad("end of line")),
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn film(id: i64) -> Film {
        let id = MovieId::try_from(id).unwrap();
        films().unwrap().into_iter().find(|film| film.row.id == id).unwrap()
    }

    #[test]
    fn all_films_are_read_as_their_source_has_them() {
        let films = films().unwrap();
        assert_eq!(films.len(), 3_000);
        assert!(films.is_sorted_by(|a, b| a.row.id < b.row.id), "ids ascend without duplicates");

        // Sums over the source, taken with another program.
        let sum = |of: fn(&Film) -> f64| films.iter().map(of).sum::<f64>().round() as i64;
        assert_eq!(sum(|film| f64::from(film.row.id.get())), 134_366_896);
        assert_eq!(sum(|film| f64::from(film.row.vote_count)), 2_916_761);
        assert_eq!(sum(|film| film.row.vote_average * 10.0), 185_354);
        assert_eq!(sum(|film| film.row.popularity * 1e6), 86_088_726_143);
        assert_eq!(sum(|film| f64::from(film.runtime.unwrap_or(0))), 334_249);
        assert_eq!(sum(|film| film.row.genres.len() as f64), 8_215);

        let count = |what: fn(&Film) -> bool| films.iter().filter(|film| what(film)).count();
        assert_eq!(count(|film| film.runtime.is_none()), 2);
        assert_eq!(count(|film| film.row.title != film.row.original_title), 109);
        assert_eq!(count(|film| film.row.genres.contains(GenreId::try_from(10_769).unwrap())), 4);
        assert_eq!(films.iter().map(|film| film.row.genres.len()).max(), Some(7));
    }

    #[test]
    fn known_films_are_what_they_are() {
        let avatar = film(19_995);
        assert_eq!(avatar.row.title, "Avatar");
        assert_eq!(avatar.row.original_title, "Avatar");
        assert_eq!(avatar.row.original_language, "en");
        assert_eq!(avatar.row.release_date, Some(date(2009, 12, 10)));
        assert_eq!(avatar.runtime, Some(162));
        let ids: Vec<_> = avatar.row.genres.iter().map(GenreId::get).collect();
        assert_eq!(ids, [12, 14, 28, 878]);
        assert_eq!(avatar.row.popularity, 150.437_577);
        assert_eq!((avatar.row.vote_average, avatar.row.vote_count), (7.2, 11_800));

        assert_eq!(film(550).row.title, "Fight Club");
        assert_eq!(film(129).row.original_title, "千と千尋の神隠し");
        assert_eq!(film(194).row.original_title, "Le fabuleux destin d'Amélie Poulain");
    }

    #[test]
    fn the_genres_are_those_of_today() {
        let genres = genres().unwrap();
        assert_eq!(genres.len(), 19);
        assert!(genres.is_sorted_by(|a, b| a.id < b.id));
        assert!(
            genres.iter().any(|genre| genre.id.get() == 878 && genre.name == "Science Fiction")
        );
        assert!(genres.iter().all(|genre| genre.id.get() != 10_769));
    }

    #[test]
    fn the_packages_hold_listed_genres() {
        let listed: GenreSet = genres().unwrap().into_iter().map(|genre| genre.id).collect();
        let packages = demo_packages().unwrap();
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["Family Night", "Adrenaline", "Arthouse"]);
        assert!(packages.iter().all(|package| package.genres.is_subset(&listed)));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("movies", "id\n1\nx", |row| row.parse::<MovieId>("id")).unwrap_err();
        assert_eq!(error.to_string(), "demo movies, line 3: bad or missing id");
        assert!(read("movies", "id\n1\t2", |row| row.parse::<MovieId>("id")).is_err());
    }
}
