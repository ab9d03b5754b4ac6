//! New marks that come together are made together.
//!
//! What a mark costs is mostly the way to the engine and back, several times, and the commit. So marks
//! that wait for their turn take it as one: one batch of questions finds all that they depend on, one
//! of changes makes them all, and it is the same as one after another: what a user's mark changes for
//! the user's next one is known without asking. What is not as simple (a movie that is marked already,
//! a user whom somebody else has locked), and whatever fails together, is done alone.

mod found;
mod statements;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use watchme_actors::{
    domain::{TraceParent, UserId, WatchedMark},
    ports::{MarkMovie, Marked, StoreError, WatchError, current_trace},
};

#[cfg(test)]
pub(in crate::adapters::sql) use self::statements::{FOUND, asked_on_a_server};
use self::{
    found::{Findings, Found},
    statements::{Question, Row, ask, change},
};
use super::{
    marks::new_mark,
    plays::to_column,
    transaction::{Kind, Locked},
};
use crate::{
    adapters::sql::{
        SqlStore,
        admission::{self, Admission},
        batch::Answers,
        dialect::Dialect,
        errors::unavailable,
        rows::{signed, to_json},
        work::Tx,
    },
    near::{Teller, teller},
};

/// Marks that are made at once, at most: the first of them waits for the last. A server's questions
/// name everyone, and are sent by one write.
fn at_once(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Sqlite => 256,
        Dialect::MySql => 64,
    }
}

/// How long one waits for a turn. With the call that follows, a server that is silent is told of within
/// three seconds.
fn turn(store: &SqlStore) -> Duration {
    match store.dialect {
        Dialect::Sqlite => store.patience(),
        Dialect::MySql => store.patience().min(Duration::from_millis(500)),
    }
}

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
    tell: Teller<Outcome>,
}

/// Makes a mark together with others. Who goes away before its turn has come is not waited for; once
/// it has, the mark is made.
///
/// # Errors
/// What is wrong with it, or `Busy`.
pub(super) async fn mark(store: &SqlStore, request: MarkMovie) -> Result<Together, WatchError> {
    let gathering = &store.gathering;
    gathering.line.admit().inspect_err(|_| store.news.refused())?;
    let (tell, mut told) = teller();
    let again = request.clone();
    let number = gathering.add(store, request, tell);
    let told = match timeout(turn(store), &mut told).await {
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
    fn add(&self, store: &SqlStore, request: MarkMovie, tell: Teller<Outcome>) -> u64 {
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

    /// Those who are next, in the order of their coming. Where there are none, whoever comes next begins
    /// anew.
    fn next(&self, most: usize) -> Vec<Asked> {
        let mut waiting = self.waiting();
        let mut next = std::mem::take(&mut waiting.marks);
        next.retain(|asked| !asked.tell.is_closed());
        if next.len() > most {
            waiting.marks = next.split_off(most);
        }
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

impl AtWork {
    /// Those who are next; nobody, when it has come to its end.
    fn next(&mut self) -> Vec<Asked> {
        let next = self.store.gathering.next(at_once(self.store.dialect));
        self.ended = next.is_empty();
        next
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if !self.ended {
            let mut waiting = self.store.gathering.waiting();
            waiting.marks.clear();
            waiting.at_work = false;
        }
    }
}

/// Makes those who wait, and, where there are more then, has the rest made where the store was opened:
/// on a thread of requests each step would wait until all requests that have come were looked at.
async fn work(mut at_work: AtWork) {
    // Nobody, where all who had come have gone away.
    let next = at_work.next();
    if next.is_empty() {
        return;
    }
    make_all(&at_work.store, next).await;
    let next = at_work.next();
    if next.is_empty() {
        return;
    }
    at_work.store.runtime.clone().spawn(async move {
        let mut next = next;
        while !next.is_empty() {
            make_all(&at_work.store, next).await;
            next = at_work.next();
        }
    });
}

async fn make_all(store: &SqlStore, next: Vec<Asked>) {
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
                tell.tell(outcome);
            }
        }
        // It would be no better alone, or come too late.
        Err(error) if told.len() == 1 || began.elapsed() > store.patience() / 2 => {
            for (_, tell) in told {
                tell.tell(Err(error.clone().into()));
            }
        }
        Err(error) => {
            tracing::debug!(%error, marks = told.len(), "marks are made one by one");
            for (request, tell) in told {
                tell.tell(Ok(Together::Alone(request)));
            }
        }
    }
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
    let opening = ask(store.dialect, &questions)?;
    store
        .write_on_after(&opening, |mut tx, answers| async move {
            make_in(&mut tx, store.dialect, answers, requests)
        })
        .await
}

fn make_in(
    tx: &mut Tx,
    dialect: Dialect,
    answers: Answers,
    requests: &[(MarkMovie, Option<TraceParent>)],
) -> Result<Vec<Outcome>, StoreError> {
    let findings = Findings::new(dialect, answers)?;
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut rows = Vec::with_capacity(requests.len());
    // Where a user's marks have come to.
    let mut come_to: HashMap<UserId, Locked> = HashMap::new();
    let mut made = HashSet::new();
    for (number, (request, trace)) in requests.iter().enumerate() {
        let (user, movie) = (request.user, request.movie_id);
        let found = findings.of(number, user, movie)?;
        let Some(Found { locked, marked: false, held }) =
            found.filter(|_| !made.contains(&(user, movie)))
        else {
            outcomes.push(Ok(Together::Alone(request.clone())));
            continue;
        };
        let mut locked = come_to.remove(&user).unwrap_or(locked);
        locked.movie = movie;
        outcomes.push(match new_mark(&locked, &held, request) {
            Ok(mark) => {
                rows.push(row_of(&locked, &mark, *trace)?);
                made.insert((user, movie));
                come_to.insert(user, locked.after(&mark));
                Ok(Together::Done(Marked { mark, created: true }))
            }
            Err(error) => {
                come_to.insert(user, locked);
                Err(error)
            }
        });
    }
    let mut later = HashSet::new();
    for row in rows.iter_mut().rev() {
        row.last = later.insert(row.user).into();
    }
    if !rows.is_empty() {
        tx.end_with(change(dialect, &rows)?);
        tx.wake_relay();
    }
    tx.stand_for(rows.len() as u64);
    Ok(outcomes)
}

fn row_of(
    locked: &Locked,
    mark: &WatchedMark,
    trace: Option<TraceParent>,
) -> Result<Row, StoreError> {
    let kind = Kind::Marked((mark.watched_at, mark.marked_seq));
    let event = locked.event(&mark.movie, kind, mark.marked_at);
    Ok(Row {
        user: *locked.user.as_uuid(),
        movie: i64::from(mark.movie.id),
        title: mark.movie.title.clone(),
        genres: to_json(&mark.movie.genres)?,
        watched: mark.watched_at.as_millis(),
        now: mark.marked_at.as_millis(),
        seq: signed(mark.marked_seq)?,
        last: 0,
        plays: to_column(&mark.plays)?,
        event: *event.id.as_uuid(),
        kind: event.change.kind(),
        payload: to_json(&event)?,
        trace: trace.map(|trace| trace.to_string()),
    })
}
