//! The questions that are put to TMDb.

use std::sync::Arc;

use async_trait::async_trait;
use watchme_actors::{
    domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage},
    ports::{Clock, MetadataError, MetadataSource},
};

use super::{
    convert,
    settings::{TmdbSettings, TmdbSetupError},
    transport::Transport,
};

const ENGLISH: &str = "en-US";

/// TMDb over HTTP. One attempt per question: limits, retries and the circuit breaker belong to
/// whoever asks.
pub struct TmdbHttp {
    transport: Transport,
    language: String,
    clock: Arc<dyn Clock>,
}

impl TmdbHttp {
    /// A client for these settings; it connects when it is first asked something. TLS needs no
    /// provider to be installed: the client brings its own where the process has no default.
    ///
    /// # Errors
    /// When an address cannot be used, or the system has no root certificates.
    pub fn new(settings: TmdbSettings, clock: Arc<dyn Clock>) -> Result<Self, TmdbSetupError> {
        let transport = Transport::new(&settings, Arc::clone(&clock))?;
        Ok(Self { transport, language: settings.language, clock })
    }

    async fn genres_in(&self, language: &str) -> Result<Vec<ListedGenre>, MetadataError> {
        let path = ["genre", "movie", "list"];
        let body = self.transport.get(&path, &[("language", language)]).await?;
        convert::genres(&body.ok_or_else(nothing_there)?)
    }

    async fn page(
        &self,
        path: [&str; 2],
        selection: &[(&str, &str)],
        page: u32,
    ) -> Result<MoviePage, MetadataError> {
        let number = page.to_string();
        let common = [
            ("include_adult", "false"),
            ("language", self.language.as_str()),
            ("page", number.as_str()),
        ];
        let body = self.transport.get(&path, &[selection, &common].concat()).await?;
        convert::page(&body.ok_or_else(nothing_there)?, page, self.clock.now())
    }
}

#[async_trait]
impl MetadataSource for TmdbHttp {
    async fn genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        self.genres_in(&self.language).await
    }

    async fn english_genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        self.genres_in(ENGLISH).await
    }

    async fn discover(&self, genre: GenreId, page: u32) -> Result<MoviePage, MetadataError> {
        let genre = genre.to_string();
        let selection = [("with_genres", genre.as_str()), ("sort_by", "popularity.desc")];
        self.page(["discover", "movie"], &selection, page).await
    }

    async fn search(&self, text: &str, page: u32) -> Result<MoviePage, MetadataError> {
        self.page(["search", "movie"], &[("query", text)], page).await
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, MetadataError> {
        let query = [("language", self.language.as_str()), ("append_to_response", "credits")];
        let body = self.transport.get(&["movie", &id.to_string()], &query).await?;
        body.map(|body| convert::details(&body, id, self.clock.now())).transpose()
    }
}

fn nothing_there() -> MetadataError {
    MetadataError::Malformed("there is no such list: is the address right?".to_owned())
}
