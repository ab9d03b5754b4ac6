//! New marks that come together are made together, on the engine that writes on one connection.
//!
//! There what a mark costs is mostly the way to that connection and back, twice. So marks of different
//! users that wait for their turn take it as one: one question finds all that they depend on, one
//! change makes them all. They depend on nothing that the others change, so that this is the same as
//! one after another. What is not as simple (a movie that is marked already), and whatever fails
//! together, is done alone.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use sqlx::any::AnyRow;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use uuid::Uuid;
use watchme_actors::{
    domain::{GenreSet, TraceParent, UserId, WatchedMark},
    ports::{MarkMovie, Marked, StoreError, WatchError, current_trace},
};

use super::{
    marks::new_mark,
    plays::day_only,
    transaction::{Kind, Locked},
};
use crate::adapters::sql::{
    SqlStore,
    admission::{self, Admission},
    batch::{Answers, Batch},
    errors::{corrupt, unavailable},
    rows::{number, signed, to_json},
    work::Tx,
};

/// Marks that are made at once, at most: the first of them waits for the last.
const AT_ONCE: usize = 256;

/// The users' rows and the marks of their movies, as [`super::transaction::lock_sql`] gives them one
/// by one. Binds, as the two below: the requests.
pub(in crate::adapters::sql) const LOCKED: &str = "SELECT r.key AS n, u.watch_seq, u.cancelled_at,
        m.movie_id, m.title, m.genres, m.watched_at, m.marked_at, m.marked_seq
     FROM json_each(?) r CROSS JOIN users u ON u.id = r.value ->> 'user'
     LEFT JOIN marks m ON m.user_id = u.id AND m.movie_id = r.value ->> 'movie'";

/// The latest two marks of each user, latest first.
pub(in crate::adapters::sql) const LATEST: &str = "SELECT r.key AS n, m.movie_id, m.title,
        m.watched_at, m.marked_seq
     FROM json_each(?) r CROSS JOIN marks m ON m.user_id = r.value ->> 'user' AND m.movie_id IN (
        SELECT movie_id FROM marks WHERE user_id = r.value ->> 'user'
        ORDER BY watched_at DESC, marked_seq DESC LIMIT 2)
     ORDER BY m.watched_at DESC, m.marked_seq DESC";

/// What the users hold, as [`super::transaction::entitlement_sql`] gives it.
pub(in crate::adapters::sql) const HELD: &str =
    "SELECT r.key AS n, v.genres, s.starts_at, s.ends_at
     FROM json_each(?) r
     CROSS JOIN subscriptions s ON s.user_id = r.value ->> 'user' AND s.ends_at > r.value ->> 'from'
     CROSS JOIN packages p ON p.id = s.package_id
     CROSS JOIN package_versions v ON v.package_id = p.id AND v.version =
        CASE WHEN s.version > p.floor_version THEN s.version ELSE p.floor_version END";

/// Binds, each: the marks.
const INSERTS: [&str; 5] = [
    "INSERT INTO outbox (event_id, user_id, kind, payload, created_at, traceparent)
     SELECT value ->> 'event', value ->> 'user', value ->> 'kind', value ->> 'payload',
        value ->> 'now', value ->> 'trace'
     FROM json_each(?) ORDER BY key",
    "INSERT INTO marks (user_id, movie_id, title, genres, watched_at, marked_at, marked_seq)
     SELECT value ->> 'user', value ->> 'movie', value ->> 'title', value ->> 'genres',
        value ->> 'watched', value ->> 'now', value ->> 'seq'
     FROM json_each(?)",
    "INSERT INTO plays (user_id, movie_id, watched_at, id, day_only)
     SELECT value ->> 'user', value ->> 'movie', value ->> 'watched', value ->> 'play',
        value ->> 'day_only'
     FROM json_each(?)",
    "INSERT INTO mark_genres (user_id, movie_id, genre_id)
     SELECT m.value ->> 'user', m.value ->> 'movie', g.value
     FROM json_each(?) m CROSS JOIN json_each(m.value -> 'genres') g",
    "UPDATE users SET watch_seq = m.value ->> 'seq', watch_changed_at = m.value ->> 'now'
     FROM json_each(?) m WHERE users.id = m.value ->> 'user'",
];

/// What came of it.
pub(super) enum Together {
    Done(Marked),
    /// It has to be done alone.
    Alone(MarkMovie),
}

type Outcome = Result<Together, WatchError>;

/// Marks that wait for their turn.
#[derive(Default)]
pub(in crate::adapters::sql) struct Gathering {
    line: Arc<Admission>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    marks: Vec<Asked>,
    /// How many have come.
    came: u64,
    /// Somebody is making marks, and will make these after.
    at_work: bool,
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").field("line", &self.line).finish_non_exhaustive()
    }
}

struct Asked {
    number: u64,
    request: MarkMovie,
    trace: Option<TraceParent>,
    place: admission::Place,
    tell: oneshot::Sender<Outcome>,
}

/// Makes a mark together with others. Who goes away before its turn has come is not waited for; once
/// it has, the mark is made.
///
/// # Errors
/// What is wrong with it, or `Busy`.
pub(super) async fn mark(store: &SqlStore, request: MarkMovie) -> Result<Together, WatchError> {
    let gathering = &store.gathering;
    gathering.line.admit().inspect_err(|_| store.news.refused())?;
    let (tell, mut told) = oneshot::channel();
    let again = request.clone();
    let number = gathering.add(store, request, tell);
    let told = match timeout(store.patience(), &mut told).await {
        Err(_) if gathering.withdraw(number) => {
            return Err(unavailable("no turn to write came in time").into());
        }
        Err(_) => told.await,
        Ok(told) => told,
    };
    // Where nobody tells, whoever was at it has come to an unexpected end.
    told.unwrap_or(Ok(Together::Alone(again)))
}

impl Gathering {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number among those who wait.
    fn add(&self, store: &SqlStore, request: MarkMovie, tell: oneshot::Sender<Outcome>) -> u64 {
        let place = self.line.line_up();
        let mut waiting = self.waiting();
        waiting.came += 1;
        let number = waiting.came;
        waiting.marks.push(Asked { number, request, trace: current_trace(), place, tell });
        let begins = !std::mem::replace(&mut waiting.at_work, true);
        drop(waiting);
        if begins {
            tokio::spawn(work(AtWork { store: store.clone(), ended: false }));
        }
        number
    }

    /// Takes back what has not had its turn; whether it had not.
    fn withdraw(&self, number: u64) -> bool {
        let mut waiting = self.waiting();
        let before = waiting.marks.len();
        waiting.marks.retain(|asked| asked.number != number);
        waiting.marks.len() < before
    }

    /// Those who are next, in the order of their coming. Of a user's marks it is the first: the others
    /// line up behind it one by one, and share its commit. Where there are none, whoever comes next
    /// begins anew.
    fn next(&self) -> Vec<Asked> {
        let mut waiting = self.waiting();
        let mut users = HashSet::new();
        let (mut next, mut later) = (Vec::new(), Vec::new());
        for asked in waiting.marks.drain(..).filter(|asked| !asked.tell.is_closed()) {
            if next.len() == AT_ONCE {
                later.push(asked);
            } else if users.insert(asked.request.user) {
                next.push(asked);
            } else {
                let Asked { request, tell, .. } = asked;
                let _ = tell.send(Ok(Together::Alone(request)));
            }
        }
        waiting.marks = later;
        waiting.at_work = !next.is_empty();
        next
    }
}

/// Whoever makes marks. Should it not come to its end (its thread stops, or it panics), those who wait
/// do it alone.
struct AtWork {
    store: SqlStore,
    ended: bool,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if !self.ended {
            *self.store.gathering.waiting() = Waiting::default();
        }
    }
}

async fn work(mut at_work: AtWork) {
    loop {
        let store = &at_work.store;
        let next = store.gathering.next();
        if next.is_empty() {
            at_work.ended = true;
            return;
        }
        let requests: Vec<_> = next.iter().map(|it| (it.request.clone(), it.trace)).collect();
        let mut told = Vec::with_capacity(next.len());
        for Asked { request, place, tell, .. } in next {
            place.served();
            told.push((request, tell));
        }
        let began = Instant::now();
        match make(store, &requests).await {
            Ok(outcomes) => {
                for ((_, tell), outcome) in told.into_iter().zip(outcomes) {
                    let _ = tell.send(outcome);
                }
            }
            // It would be no better alone, or come too late.
            Err(error) if told.len() == 1 || began.elapsed() > store.patience() / 2 => {
                for (_, tell) in told {
                    let _ = tell.send(Err(error.clone().into()));
                }
            }
            Err(error) => {
                tracing::debug!(%error, marks = told.len(), "marks are made one by one");
                for (request, tell) in told {
                    let _ = tell.send(Ok(Together::Alone(request)));
                }
            }
        }
    }
}

/// A request as the questions read it.
#[derive(Serialize)]
struct Question<'a> {
    user: &'a Uuid,
    movie: i64,
    from: i64,
}

/// A mark as the changes read it.
#[derive(Serialize)]
struct Row<'a> {
    user: &'a Uuid,
    movie: i64,
    title: &'a str,
    genres: &'a GenreSet,
    watched: i64,
    now: i64,
    seq: i64,
    play: Uuid,
    day_only: i64,
    event: Uuid,
    kind: &'static str,
    payload: String,
    trace: Option<String>,
}

async fn make(
    store: &SqlStore,
    requests: &[(MarkMovie, Option<TraceParent>)],
) -> Result<Vec<Outcome>, StoreError> {
    let questions: Vec<_> = requests
        .iter()
        .map(|(request, _)| Question {
            user: request.user.as_uuid(),
            movie: i64::from(request.movie_id),
            from: request.now.as_millis(),
        })
        .collect();
    let questions = to_json(&questions)?;
    let mut opening = Batch::new();
    for question in [LOCKED, LATEST, HELD] {
        opening = opening.then(question).bind(questions.as_str());
    }
    store
        .write_on_after(
            &opening,
            |mut tx, answers| async move { make_in(&mut tx, answers, requests) },
        )
        .await
}

/// The rows of each request, in their order.
struct ByRequest<'r>(HashMap<usize, Vec<&'r AnyRow>>);

impl<'r> ByRequest<'r> {
    fn new(rows: &'r [AnyRow]) -> Result<Self, StoreError> {
        let mut by_request: HashMap<usize, Vec<&AnyRow>> = HashMap::with_capacity(rows.len());
        for row in rows {
            by_request.entry(number(row, "n")?).or_default().push(row);
        }
        Ok(Self(by_request))
    }

    fn of(&self, request: usize) -> impl Iterator<Item = &'r AnyRow> {
        self.0.get(&request).into_iter().flatten().copied()
    }
}

fn make_in(
    tx: &mut Tx,
    mut answers: Answers,
    requests: &[(MarkMovie, Option<TraceParent>)],
) -> Result<Vec<Outcome>, StoreError> {
    let (locked, latest, held) = (answers.rows(), answers.rows(), answers.rows());
    let (locked, latest) = (ByRequest::new(&locked)?, ByRequest::new(&latest)?);
    let held = ByRequest::new(&held)?;
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut made = Vec::new();
    for (n, (request, trace)) in requests.iter().enumerate() {
        let user = locked.of(n).next();
        let found = Locked::of_rows(request.user, request.movie_id, user, latest.of(n));
        outcomes.push(match found {
            Ok(found) if found.mark.is_some() => Ok(Together::Alone(request.clone())),
            Ok(found) => match new_mark(&found, held.of(n), request) {
                Ok(mark) => {
                    made.push((request.user, found, mark.clone(), *trace));
                    Ok(Together::Done(Marked { mark, created: true }))
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        });
    }
    if !made.is_empty() {
        let rows = made.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
        let rows = to_json(&rows)?;
        let mut change = Batch::new();
        for insert in INSERTS {
            change = change.then(insert).bind(rows.as_str());
        }
        tx.end_with(change);
        tx.wake_relay();
    }
    tx.stand_for(made.len() as u64);
    Ok(outcomes)
}

fn row_of<'a>(
    (user, locked, mark, trace): &'a (UserId, Locked, WatchedMark, Option<TraceParent>),
) -> Result<Row<'a>, StoreError> {
    let kind = Kind::Marked((mark.watched_at, mark.marked_seq));
    let event = locked.event(&mark.movie, kind, mark.marked_at);
    let play = mark.plays.first().copied();
    let play = play.ok_or_else(|| corrupt("a mark has no play"))?;
    Ok(Row {
        user: user.as_uuid(),
        movie: i64::from(mark.movie.id),
        title: &mark.movie.title,
        genres: &mark.movie.genres,
        watched: mark.watched_at.as_millis(),
        now: mark.marked_at.as_millis(),
        seq: signed(mark.marked_seq)?,
        play: *play.id.as_uuid(),
        day_only: day_only(play.viewing.precision),
        event: *event.id.as_uuid(),
        kind: event.change.kind(),
        payload: to_json(&event)?,
        trace: trace.map(|trace| trace.to_string()),
    })
}
