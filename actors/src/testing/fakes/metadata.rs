//! A metadata source that says what a test wrote for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::{
    domain::{GenreId, ListedGenre, Movie, MovieId, MoviePage, RemoteGenre},
    ports::{MetadataError, MetadataSource},
};

type Answer<T> = Result<T, MetadataError>;
type Rule<A, T> = Arc<dyn Fn(A) -> Answer<T> + Send + Sync>;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataCall {
    /// The list of genres.
    Genres,
    /// A page of a genre.
    Discover(GenreId, u32),
    /// A page of what a text finds.
    Search(String, u32),
    /// A movie.
    Movie(MovieId),
}

/// What was asked, and when by tokio's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// What.
    pub call: MetadataCall,
    /// When it arrived, before any delay.
    pub at: Instant,
}

/// Answers each kind of call from its queue first, then by its rule; where there is neither, the
/// source is unavailable. Remembers every call. Clones share all of it.
#[derive(Clone, Default)]
pub struct ScriptedMetadata(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    genres: Script<(), Vec<RemoteGenre>>,
    discover: Script<(GenreId, u32), MoviePage>,
    search: Script<(String, u32), MoviePage>,
    movie: Script<MovieId, Option<Movie>>,
    calls: Vec<RecordedCall>,
    delay: Duration,
    panics: u32,
}

struct Script<A, T> {
    queue: VecDeque<Answer<T>>,
    rule: Option<Rule<A, T>>,
}

impl<A, T> Default for Script<A, T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), rule: None }
    }
}

impl ScriptedMetadata {
    /// A source that is unavailable until it is told what to say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to the next call of `genres` that has none yet.
    pub fn queue_genres(&self, answer: Answer<Vec<RemoteGenre>>) {
        self.lock().genres.queue.push_back(answer);
    }

    /// The answer to the next call of `discover` that has none yet.
    pub fn queue_discover(&self, answer: Answer<MoviePage>) {
        self.lock().discover.queue.push_back(answer);
    }

    /// The answer to the next call of `search` that has none yet.
    pub fn queue_search(&self, answer: Answer<MoviePage>) {
        self.lock().search.queue.push_back(answer);
    }

    /// The answer to the next call of `movie` that has none yet.
    pub fn queue_movie(&self, answer: Answer<Option<Movie>>) {
        self.lock().movie.queue.push_back(answer);
    }

    /// What `genres` answers when its queue is empty.
    pub fn on_genres(&self, rule: impl Fn() -> Answer<Vec<RemoteGenre>> + Send + Sync + 'static) {
        self.lock().genres.rule = Some(Arc::new(move |()| rule()));
    }

    /// What `discover` answers when its queue is empty.
    pub fn on_discover(
        &self,
        rule: impl Fn(GenreId, u32) -> Answer<MoviePage> + Send + Sync + 'static,
    ) {
        self.lock().discover.rule = Some(Arc::new(move |(genre, page)| rule(genre, page)));
    }

    /// What `search` answers when its queue is empty.
    pub fn on_search(&self, rule: impl Fn(&str, u32) -> Answer<MoviePage> + Send + Sync + 'static) {
        self.lock().search.rule =
            Some(Arc::new(move |(text, page): (String, u32)| rule(&text, page)));
    }

    /// What `movie` answers when its queue is empty.
    pub fn on_movie(
        &self,
        rule: impl Fn(MovieId) -> Answer<Option<Movie>> + Send + Sync + 'static,
    ) {
        self.lock().movie.rule = Some(Arc::new(rule));
    }

    /// From now on every answer takes this long by tokio's clock.
    pub fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// The next `calls` calls panic once their delay is over, and use up no queued answer.
    pub fn panic_next(&self, calls: u32) {
        self.lock().panics = calls;
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("panics on order happen outside the lock")
    }

    async fn answer<A, T>(
        &self,
        call: MetadataCall,
        question: A,
        script: fn(&mut State) -> &mut Script<A, T>,
    ) -> Answer<T> {
        let (delay, panics, queued, rule) = {
            let mut state = self.lock();
            state.calls.push(RecordedCall { call, at: Instant::now() });
            let panics = state.panics > 0;
            state.panics = state.panics.saturating_sub(1);
            let delay = state.delay;
            let script = script(&mut state);
            let queued = if panics { None } else { script.queue.pop_front() };
            (delay, panics, queued, script.rule.clone())
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        assert!(!panics, "told to panic");
        match (queued, rule) {
            (Some(answer), _) => answer,
            (None, Some(rule)) => rule(question),
            (None, None) => Err(MetadataError::Unavailable("nothing is scripted".to_owned())),
        }
    }
}

#[async_trait]
impl MetadataSource for ScriptedMetadata {
    async fn genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        let listed = self.answer(MetadataCall::Genres, (), |state| &mut state.genres).await?;
        Ok(listed.into_iter().map(ListedGenre::from).collect())
    }

    async fn english_genres(&self) -> Result<Vec<ListedGenre>, MetadataError> {
        self.genres().await
    }

    async fn discover(&self, genre: GenreId, page: u32) -> Result<MoviePage, MetadataError> {
        let call = MetadataCall::Discover(genre, page);
        self.answer(call, (genre, page), |state| &mut state.discover).await
    }

    async fn search(&self, text: &str, page: u32) -> Result<MoviePage, MetadataError> {
        let call = MetadataCall::Search(text.to_owned(), page);
        self.answer(call, (text.to_owned(), page), |state| &mut state.search).await
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, MetadataError> {
        self.answer(MetadataCall::Movie(id), id, |state| &mut state.movie).await
    }
}
