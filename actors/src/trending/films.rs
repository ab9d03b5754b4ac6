//! The trending films as they are published.

use std::{
    collections::{BTreeSet, HashMap},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    domain::{Hour, Invalid, Movie, MovieId, Timestamp},
    ports::{Catalogue, StoreError, TrendingStore},
};

/// Films a window holds at most.
const MOST: u32 = 1_000;
/// Movies that are read from the catalogue at once.
const BATCH: usize = 200;

/// How far back one looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TrendingWindow {
    /// 24 hours, to the whole hour.
    #[default]
    Day,
    /// 7 days, to the whole hour.
    Week,
}

impl TrendingWindow {
    /// The first hour that belongs to it.
    fn since(self, now: Timestamp) -> Hour {
        let hours = match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
        };
        Hour::of(now).before(hours)
    }
}

impl FromStr for TrendingWindow {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "24h" => Ok(Self::Day),
            "7d" => Ok(Self::Week),
            _ => Err(Invalid::new("unknown_word", "must be `24h` or `7d`")),
        }
    }
}

/// Trending films of both windows, as they were last read: highest score first, ties by ascending
/// id, at most 1,000, without their details.
#[derive(Debug, Clone, Default)]
pub struct TrendingFilms {
    day: Vec<Arc<Movie>>,
    week: Vec<Arc<Movie>>,
    read_at: Option<Instant>,
}

impl TrendingFilms {
    /// The films of a window; none before they were read for the first time.
    #[must_use]
    pub fn of(&self, window: TrendingWindow) -> &[Arc<Movie>] {
        match window {
            TrendingWindow::Day => &self.day,
            TrendingWindow::Week => &self.week,
        }
    }

    /// How long ago they were read; `None` before the first time.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.read_at.map(|at| at.elapsed())
    }

    pub(super) async fn read(
        store: &dyn TrendingStore,
        catalogue: &dyn Catalogue,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let read_at = Instant::now();
        let day = store.top_movies(TrendingWindow::Day.since(now), MOST).await?;
        let week = store.top_movies(TrendingWindow::Week.since(now), MOST).await?;
        let ids: BTreeSet<MovieId> = day.iter().chain(&week).map(|(id, _)| *id).collect();
        let ids: Vec<MovieId> = ids.into_iter().collect();
        let mut movies = HashMap::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            for movie in catalogue.by_ids(batch).await? {
                movies.insert(movie.id, Arc::new(Movie { details: None, ..movie }));
            }
        }
        let films = |top: Vec<(MovieId, u64)>| {
            top.iter().filter_map(|(id, _)| movies.get(id).cloned()).collect()
        };
        Ok(Self { day: films(day), week: films(week), read_at: Some(read_at) })
    }
}
