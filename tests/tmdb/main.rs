//! How the TMDb adapter asks, and what it makes of every kind of answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod failures;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use support::tmdb_double::{Behaviour, TmdbDouble, V3_KEY};
use watchme::adapters::metadata::{TmdbHttp, TmdbSettings};
use watchme_actors::{
    domain::{GenreId, Movie, MovieId, MoviePage, Timestamp},
    ports::{Clock, MetadataError, MetadataSource},
};

/// 2026-03-01T12:00:00Z.
const NOW_MILLIS: i64 = 1_772_366_400_000;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_MILLIS)
    }
}

fn settings(double: &TmdbDouble) -> TmdbSettings {
    TmdbSettings::new(double.url(), V3_KEY.parse().unwrap())
}

fn client(settings: TmdbSettings) -> TmdbHttp {
    TmdbHttp::new(settings, Arc::new(StoppedClock)).unwrap()
}

async fn start() -> (TmdbDouble, TmdbHttp) {
    let double = TmdbDouble::start().await;
    let tmdb = client(settings(&double));
    (double, tmdb)
}

fn genre(id: i64) -> GenreId {
    GenreId::try_from(id).unwrap()
}

fn movie_id(id: i64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

async fn action(tmdb: &TmdbHttp) -> Result<MoviePage, MetadataError> {
    tmdb.discover(genre(28), 1).await
}

async fn avatar(tmdb: &TmdbHttp) -> Result<Option<Movie>, MetadataError> {
    tmdb.movie(movie_id(19_995)).await
}

/// What every question fails with.
async fn errors(tmdb: &TmdbHttp) -> [MetadataError; 4] {
    [
        tmdb.genres().await.unwrap_err(),
        action(tmdb).await.unwrap_err(),
        tmdb.search("avatar", 1).await.unwrap_err(),
        avatar(tmdb).await.unwrap_err(),
    ]
}

async fn assert_all(tmdb: &TmdbHttp, kind: &str) {
    for error in errors(tmdb).await {
        assert_eq!(error.kind(), kind, "{error}");
    }
}

const SHORT: Duration = Duration::from_millis(150);

fn raw(body: &str) -> Behaviour {
    Behaviour::Raw(200, body.to_owned())
}
