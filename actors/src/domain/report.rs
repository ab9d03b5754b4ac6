//! The report of what a user has watched: a projection folded from watch events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GenreId, GenreList, GenreSet, MovieId, UserId, WatchChange, WatchEvent, WatchedMark};

/// The movie that a user watched last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFilm {
    /// TMDb's number.
    pub movie_id: MovieId,
    /// The title as its mark keeps it.
    pub movie_name: String,
}

/// What is stored per user: counts that events are folded into. Genres are numbers here; their
/// names are resolved when a report is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// Whose.
    pub user_id: UserId,
    /// Sequence number of the last event that is in it; 0 before the first.
    pub last_seq: u64,
    /// Distinct movies.
    pub total_films: u64,
    /// Distinct movies per genre; genres with none are absent.
    pub films_by_genre: BTreeMap<GenreId, u64>,
    /// The latest viewing.
    pub last_film: Option<LastFilm>,
}

/// What became of an event that was offered to a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoldOutcome {
    /// It was the next one: this is the projection with it.
    Applied(Projection),
    /// It is in the projection already.
    Duplicate,
    /// Events before it are missing: the user has to be rebuilt from the marks.
    Gap,
    /// The account is gone: the projection has to be deleted.
    Erased,
}

impl Projection {
    /// The projection of a user who has watched nothing.
    #[must_use]
    pub fn empty(user_id: UserId) -> Self {
        Self {
            user_id,
            last_seq: 0,
            total_films: 0,
            films_by_genre: BTreeMap::new(),
            last_film: None,
        }
    }

    /// The projection of marks that were read in one snapshot with their sequence number.
    #[must_use]
    pub fn rebuilt<'a>(
        user_id: UserId,
        seq: u64,
        marks: impl IntoIterator<Item = &'a WatchedMark>,
    ) -> Self {
        let mut projection = Self { last_seq: seq, ..Self::empty(user_id) };
        let mut latest = None;
        for mark in marks {
            projection.count(&mark.movie.genres, 1);
            let place = (mark.watched_at, mark.marked_seq);
            if latest.is_none_or(|found| place > found) {
                latest = Some(place);
                projection.last_film = Some(LastFilm {
                    movie_id: mark.movie.id,
                    movie_name: mark.movie.title.clone(),
                });
            }
        }
        projection
    }

    /// Offers an event. Pure: the caller stores the outcome where `last_seq` is still the same.
    #[must_use]
    pub fn fold(&self, event: &WatchEvent) -> FoldOutcome {
        let (counted, last_film) = match &event.change {
            // However much is missing before it, nothing comes after it.
            WatchChange::Erased => return FoldOutcome::Erased,
            WatchChange::Marked { movie, last_film, .. } => (Some((movie, 1)), last_film),
            WatchChange::Unmarked { movie, last_film } => (Some((movie, -1)), last_film),
            WatchChange::Updated { last_film, .. } => (None, last_film),
        };
        if event.seq <= self.last_seq {
            return FoldOutcome::Duplicate;
        }
        if event.seq > self.last_seq + 1 {
            return FoldOutcome::Gap;
        }
        let mut next = Self { last_seq: event.seq, last_film: last_film.clone(), ..self.clone() };
        if let Some((movie, change)) = counted {
            next.count(&movie.genre_ids, change);
        }
        FoldOutcome::Applied(next)
    }

    fn count(&mut self, genres: &GenreSet, change: i64) {
        self.total_films = self.total_films.saturating_add_signed(change);
        for genre in genres.iter() {
            let films = self.films_by_genre.entry(genre).or_default();
            *films = films.saturating_add_signed(change);
            if *films == 0 {
                self.films_by_genre.remove(&genre);
            }
        }
    }

    /// What a report says of it. The same size whatever was watched.
    #[must_use]
    pub fn facts(&self) -> ReportFacts {
        let most_watched = self
            .films_by_genre
            .iter()
            // Ascending ids and a strict comparison: a tie stays with the lowest id.
            .fold(None, |best: Option<(GenreId, u64)>, (id, films)| match best {
                Some((_, most)) if *films <= most => best,
                _ => Some((*id, *films)),
            });
        ReportFacts {
            user_id: self.user_id,
            last_seq: self.last_seq,
            total_films: self.total_films,
            most_watched,
            last_film: self.last_film.clone(),
        }
    }
}

/// What a report says, before the genre has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFacts {
    /// Of whom.
    pub user_id: UserId,
    /// Sequence number of the last event that is in it; 0 before the first.
    pub last_seq: u64,
    /// Distinct movies.
    pub total_films: u64,
    /// The genre with the highest count, ties to the lowest id, and that count.
    pub most_watched: Option<(GenreId, u64)>,
    /// The latest viewing.
    pub last_film: Option<LastFilm>,
}

impl ReportFacts {
    /// The report as its readers see it.
    #[must_use]
    pub fn report(&self, genres: &GenreList) -> Report {
        Report {
            user_id: self.user_id,
            total_films_watched: self.total_films,
            most_watched_theme: self.most_watched.map(|(id, films)| ThemeCount {
                theme_id: id,
                theme_name: genres.name(id),
                total_films_watched: films,
            }),
            last_film_watched: self.last_film.clone(),
        }
    }
}

/// A user's report. Exactly these four fields: its consumers depend on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whose.
    pub user_id: UserId,
    /// Distinct movies.
    pub total_films_watched: u64,
    /// The genre with the highest count, ties to the lowest id; null when nothing was watched.
    pub most_watched_theme: Option<ThemeCount>,
    /// The latest viewing, ties to the latest mark; null when nothing was watched.
    pub last_film_watched: Option<LastFilm>,
}

/// How many films of one genre (the report's consumers call it a theme) were watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThemeCount {
    /// The genre's id.
    pub theme_id: GenreId,
    /// The genre's name now.
    pub theme_name: String,
    /// Distinct movies of it.
    pub total_films_watched: u64,
}
