//! Marks in memory, as far as reports need them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    domain::{
        EventId, GenreId, LastFilm, MarkedMovie, MovieId, MovieSnapshot, Page, PageRequest, Play,
        PlayId, Projection, Timestamp, UserId, WatchChange, WatchEvent, WatchedMark,
    },
    ports::{
        AddPlay, BusMessage, Created, Erased, History, IdempotencyKey, MarkFilter, MarkMovie,
        Marked, StoreError, UserSeq, WatchError, WatchLog,
    },
};

/// Gives histories, sequences, changes and times of what a test has marked; everything else is
/// unavailable. Clones share it.
#[derive(Clone, Default)]
pub struct ScriptedMarks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: HashMap<UserId, Marks>,
    slow: HashMap<UserId, Duration>,
    unreadable: Vec<UserId>,
    erased: Vec<Erased>,
    histories_read: usize,
    lists_read: usize,
    numbers_read: usize,
    failing: bool,
}

#[derive(Clone)]
struct Marks {
    history: History,
    changed_at: Timestamp,
}

impl Marks {
    fn seq_of(&self, user: UserId) -> UserSeq {
        UserSeq { user, seq: self.history.seq, changed_at: self.changed_at }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { store: "sql", reason: "as the test said".to_owned() }
}

fn message(user: UserId, seq: u64, now: Timestamp, change: WatchChange) -> BusMessage {
    let event = WatchEvent { id: EventId::generate(), user_id: user, seq, at: now, change };
    BusMessage {
        event_id: event.id,
        user_id: user,
        kind: event.change.kind().to_owned(),
        payload: serde_json::to_string(&event).expect("an event is JSON"),
        at: now,
        repetition: 0,
        traceparent: None,
        unreadable: None,
    }
}

impl ScriptedMarks {
    /// Nobody has watched anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks a movie of one genre as watched now, and gives the message that tells of it.
    pub fn mark(&self, user: UserId, movie: i64, now: Timestamp) -> BusMessage {
        let id = MovieId::try_from(movie).expect("a movie id");
        let genre = GenreId::try_from(movie % 3 + 1).expect("a genre id");
        let movie = MovieSnapshot {
            id,
            title: format!("Movie {id}"),
            genres: [genre].into_iter().collect(),
        };
        let mut state = self.lock();
        let empty = Marks { history: History { seq: 0, marks: Vec::new() }, changed_at: now };
        let marks = state.users.entry(user).or_insert(empty);
        marks.changed_at = now;
        marks.history.seq += 1;
        let seq = marks.history.seq;
        marks.history.marks.push(WatchedMark {
            movie: movie.clone(),
            watched_at: now,
            marked_at: now,
            marked_seq: seq,
            plays: Vec::new(),
        });
        let last_film = Some(LastFilm { movie_id: id, movie_name: movie.title.clone() });
        let change = WatchChange::Marked {
            movie: MarkedMovie { movie_id: id, movie_name: movie.title, genre_ids: movie.genres },
            watched_at: now,
            last_film,
        };
        message(user, seq, now, change)
    }

    /// Deletes a user, and gives the message that tells of it.
    pub fn erase(&self, user: UserId, now: Timestamp) -> BusMessage {
        let mut state = self.lock();
        let seq = state.users.remove(&user).map_or(0, |marks| marks.history.seq);
        let id = state.erased.len() as i64;
        state.erased.push(Erased { id, user, at: now });
        message(user, seq + 1, now, WatchChange::Erased)
    }

    /// How often a history was read.
    #[must_use]
    pub fn histories_read(&self) -> usize {
        self.lock().histories_read
    }

    /// How often some of all users were read in their order.
    #[must_use]
    pub fn lists_read(&self) -> usize {
        self.lock().lists_read
    }

    /// How often the numbers of users were asked for.
    #[must_use]
    pub fn numbers_read(&self) -> usize {
        self.lock().numbers_read
    }

    /// What the report has to be.
    #[must_use]
    pub fn truth(&self, user: UserId) -> Projection {
        match self.lock().users.get(&user) {
            Some(Marks { history, .. }) => Projection::rebuilt(user, history.seq, &history.marks),
            None => Projection::empty(user),
        }
    }

    /// From now on reading this user takes this long by tokio's clock.
    pub fn set_slow(&self, user: UserId, delay: Duration) {
        self.lock().slow.insert(user, delay);
    }

    /// From now on this user's marks cannot be read.
    pub fn set_unreadable(&self, user: UserId) {
        self.lock().unreadable.push(user);
    }

    /// From now on every call fails with `Unavailable`, or does not any more.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this lock")
    }

    async fn of(&self, user: UserId) -> Result<Option<Marks>, StoreError> {
        let (marks, delay, failing) = {
            let state = self.lock();
            let delay = state.slow.get(&user).copied().unwrap_or_default();
            (state.users.get(&user).cloned(), delay, state.failing)
        };
        tokio::time::sleep(delay).await;
        if failing { Err(unavailable()) } else { Ok(marks) }
    }
}

#[async_trait]
impl WatchLog for ScriptedMarks {
    async fn history(&self, user: UserId) -> Result<Option<History>, StoreError> {
        self.lock().histories_read += 1;
        if self.lock().unreadable.contains(&user) {
            let reason = "as the test said".to_owned();
            return Err(StoreError::Corrupt { store: "sql", reason });
        }
        Ok(self.of(user).await?.map(|marks| marks.history))
    }

    async fn sequences(&self, users: &[UserId]) -> Result<Vec<UserSeq>, StoreError> {
        self.lock().numbers_read += 1;
        let mut found = Vec::new();
        for user in users {
            found.extend(self.of(*user).await?.map(|marks| marks.seq_of(*user)));
        }
        Ok(found)
    }

    async fn sequences_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError> {
        let mut state = self.lock();
        state.lists_read += 1;
        if state.failing {
            return Err(unavailable());
        }
        let mut found: Vec<UserSeq> = state
            .users
            .iter()
            .filter(|(user, _)| after.is_none_or(|after| after < **user))
            .map(|(user, marks)| marks.seq_of(*user))
            .collect();
        found.sort_by_key(|it| it.user);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn changed_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, UserId)>,
        limit: u32,
    ) -> Result<Vec<UserSeq>, StoreError> {
        let state = self.lock();
        if state.failing {
            return Err(unavailable());
        }
        let mut found: Vec<UserSeq> = state
            .users
            .iter()
            .map(|(user, marks)| marks.seq_of(*user))
            .filter(|it| from <= it.changed_at && it.changed_at < to)
            .filter(|it| after.is_none_or(|place| place < (it.changed_at, it.user)))
            .collect();
        found.sort_by_key(|it| (it.changed_at, it.user));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn erased_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<Erased>, StoreError> {
        let state = self.lock();
        if state.failing {
            return Err(unavailable());
        }
        let mut found: Vec<Erased> = state
            .erased
            .iter()
            .filter(|it| from <= it.at && it.at < to)
            .filter(|it| after.is_none_or(|place| place < (it.at, it.id)))
            .copied()
            .collect();
        found.sort_by_key(|it| (it.at, it.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn mark(&self, _: MarkMovie) -> Result<Marked, WatchError> {
        Err(unavailable().into())
    }

    async fn unmark(&self, _: UserId, _: MovieId, _: Timestamp) -> Result<bool, WatchError> {
        Err(unavailable().into())
    }

    async fn add_play(
        &self,
        _: AddPlay,
        _: Option<&IdempotencyKey>,
    ) -> Result<Created<Play>, WatchError> {
        Err(unavailable().into())
    }

    async fn delete_play(
        &self,
        _: UserId,
        _: MovieId,
        _: PlayId,
        _: Timestamp,
    ) -> Result<(), WatchError> {
        Err(unavailable().into())
    }

    async fn mark_of(&self, _: UserId, _: MovieId) -> Result<Option<WatchedMark>, StoreError> {
        Err(unavailable())
    }

    async fn watched_at(
        &self,
        user: UserId,
        movie: MovieId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let marks = self.of(user).await?.map(|marks| marks.history.marks).unwrap_or_default();
        Ok(marks.iter().rev().find(|mark| mark.movie.id == movie).map(|mark| mark.watched_at))
    }

    async fn marks(
        &self,
        _: UserId,
        _: &MarkFilter,
        _: PageRequest,
    ) -> Result<Page<WatchedMark>, StoreError> {
        Err(unavailable())
    }

    async fn watched_movies(&self, _: UserId) -> Result<Vec<MovieId>, StoreError> {
        Err(unavailable())
    }
}
