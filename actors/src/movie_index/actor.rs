//! MovieIndexActor.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, SpawnHandle, Supervised,
    WrapFuture,
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    handle::{MovieIndexPorts, Shared},
    index::MovieIndex,
    lane::Lane,
    messages::{Follow, IndexStatus, Look, Step},
    segment::Segment,
    work::{Differences, compare, elsewhere, load, read},
};
use crate::{
    domain::{MovieId, MovieRow},
    ports::StoreError,
    supervision::{LifeLine, Panicked, guarded, restart_after_panic},
};

/// How often it is asked whether to compare with what is stored.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A change that nobody told of is seen within this.
const MAX_AGE: Duration = Duration::from_secs(300);
/// The same while the changes of other replicas do not arrive.
const MAX_AGE_ALONE: Duration = Duration::from_secs(5);

type Waiting = Vec<oneshot::Sender<bool>>;

/// Owns the index: what is published is `main` but for `changes`, as they were at turn `shown`.
pub(super) struct MovieIndexActor {
    life: LifeLine,
    ports: MovieIndexPorts,
    shared: Shared,
    /// Most films. `None` until the first were read.
    main: Option<Arc<Segment>>,
    /// What differs from `main`, with the turn at which it was found.
    changes: BTreeMap<MovieId, (u64, Option<Arc<MovieRow>>)>,
    /// Counts how often `main` or `changes` became others.
    turn: u64,
    shown: u64,
    /// Movies that have changed and were not read since.
    unread: BTreeSet<MovieId>,
    /// Anything may have changed since all was read.
    all_unread: bool,
    /// For `unread` and for `all_unread` to be read, and for a turn to be shown.
    waiting: Waiting,
    waiting_for_all: Waiting,
    waiting_for_turn: Vec<(u64, oneshot::Sender<bool>)>,
    /// Whether everything is being read.
    reading_all: bool,
    /// Reading single films, and publishing.
    small: Lane,
    /// Reading all films, and making all of the index.
    large: Lane,
    read_at: Option<Instant>,
    build: Duration,
    timer: Option<SpawnHandle>,
}

/// What came of work in the large lane, and at which turn it began.
enum Large {
    /// A new main part, and how long making it took.
    Made { main: Arc<Segment>, build: Duration, from: u64 },
    /// What is stored and is not in the index as it was published.
    Compared { differences: Differences, from: u64 },
}

impl MovieIndexActor {
    pub(super) fn new(life: LifeLine, ports: MovieIndexPorts, shared: Shared) -> Self {
        Self {
            life,
            ports,
            shared,
            main: None,
            changes: BTreeMap::new(),
            turn: 0,
            shown: 0,
            unread: BTreeSet::new(),
            all_unread: true,
            waiting: Vec::new(),
            waiting_for_all: Vec::new(),
            waiting_for_turn: Vec::new(),
            reading_all: false,
            small: Lane::new(),
            large: Lane::new(),
            read_at: None,
            build: Duration::ZERO,
            timer: None,
        }
    }

    /// Begins what may begin now, and comes again for what has to wait.
    fn step(&mut self, context: &mut Context<Self>) {
        let mut waits = Vec::new();
        let shows = self.turn != self.shown;
        // What is published first has everything that is known of by then: until then the store
        // was asked. From then on nothing waits for what comes after it.
        let reads = !self.unread.is_empty() && self.main.is_some();
        let reads_first = reads && self.shown == 0;
        match self.small.free_in() {
            Some(Duration::ZERO) if shows && !reads_first => self.show(context),
            Some(Duration::ZERO) if reads => self.read(context),
            Some(wait) if reads || shows => waits.push(wait),
            _ => {}
        }
        // Films are compared with those of an index that is published.
        let reads_all = self.all_unread && (self.main.is_none() || self.shown > 0);
        let gathers = !self.changes.is_empty() && !shows;
        match self.large.free_in() {
            Some(Duration::ZERO) if reads_all => self.read_all(context),
            Some(Duration::ZERO) if gathers => self.make_whole(context),
            Some(wait) if reads_all || gathers => waits.push(wait),
            _ => {}
        }
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        self.timer = waits.into_iter().min().map(|wait| context.notify_later(Step, wait));
        self.say();
    }

    fn say(&self) {
        let published = self.shared.index.get();
        let index = Option::as_ref(&published);
        let is_read = self.unread.is_empty() && !self.small.is_busy();
        let all_is_read = !self.all_unread && !self.reading_all;
        let status = IndexStatus {
            films: index.map_or(0, MovieIndex::films),
            bytes: index.map_or(0, MovieIndex::bytes),
            build: self.build,
            read_at: self.read_at,
            behind: !is_read || !all_is_read || self.turn != self.shown,
        };
        if *self.shared.status.get() != status {
            self.shared.status.set(status);
        }
    }

    /// Reads the films that have changed.
    fn read(&mut self, context: &mut Context<Self>) {
        self.small.begin();
        let ids: Vec<MovieId> = mem::take(&mut self.unread).into_iter().collect();
        let waiting = mem::take(&mut self.waiting);
        let (catalogue, asked) = (Arc::clone(&self.ports.catalogue), ids.clone());
        let work = guarded(async move { read(&*catalogue, asked).await });
        context.spawn(work.into_actor(self).map(move |outcome, actor, context| {
            match outcome {
                Ok(Ok(mut read)) => {
                    actor.small.done(Duration::ZERO);
                    read.retain(|(id, row)| actor.current(*id) != *row);
                    actor.differ(read);
                    actor.answer_when_shown(waiting);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "films that have changed could not be read");
                    actor.unread.extend(ids);
                    actor.small.failed();
                }
                Err(Panicked) => return restart_after_panic(context),
            }
            actor.step(context);
        }));
    }

    /// Publishes what is known.
    fn show(&mut self, context: &mut Context<Self>) {
        let Some(main) = self.main.clone() else { return };
        self.small.begin();
        let (changes, turn) = (self.changes.clone(), self.turn);
        let work = guarded(elsewhere(move || {
            MovieIndex::of(main, changes.iter().map(|(id, (_, row))| (*id, row.as_deref())))
        }));
        context.spawn(work.into_actor(self).map(move |outcome, actor, context| {
            let Ok((index, took)) = outcome else { return restart_after_panic(context) };
            actor.shared.index.set(Some(index));
            actor.shown = turn;
            actor.small.done(took);
            actor.answer_when_shown(Vec::new());
            actor.step(context);
        }));
    }

    /// Reads every film.
    fn read_all(&mut self, context: &mut Context<Self>) {
        self.all_unread = false;
        self.reading_all = true;
        let waiting = mem::take(&mut self.waiting_for_all);
        let (catalogue, from) = (Arc::clone(&self.ports.catalogue), self.shown);
        let index = self.shared.index.get();
        let work = async move {
            if let Some(index) = Option::as_ref(&index)
                && let Some(differences) = compare(&*catalogue, index).await?
            {
                return Ok(Large::Compared { differences, from });
            }
            let films = load(&*catalogue).await?;
            let (main, build) = elsewhere(move || Arc::new(Segment::new(films))).await;
            Ok(Large::Made { main, build, from })
        };
        self.begin_large(work, waiting, context);
    }

    /// Gathers all films in one part.
    fn make_whole(&mut self, context: &mut Context<Self>) {
        let (index, from) = (self.shared.index.get(), self.shown);
        let work = async move {
            let whole = move || Option::as_ref(&index).map(|index| Arc::new(index.whole()));
            match elsewhere(whole).await {
                (Some(main), build) => Ok(Large::Made { main, build, from }),
                (None, _) => Ok(Large::Compared { differences: Vec::new(), from }),
            }
        };
        self.begin_large(work, Vec::new(), context);
    }

    fn begin_large(
        &mut self,
        work: impl Future<Output = Result<Large, StoreError>> + 'static,
        waiting: Waiting,
        context: &mut Context<Self>,
    ) {
        self.large.begin();
        let begun = Instant::now();
        context.spawn(guarded(work).into_actor(self).map(move |outcome, actor, context| {
            match outcome {
                Ok(Ok(done)) => {
                    actor.large.done(begun.elapsed());
                    actor.take(done);
                    if mem::take(&mut actor.reading_all) {
                        actor.read_at = Some(begun);
                    }
                    actor.answer_when_shown(waiting);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the films could not be read; lists stay as they were");
                    actor.large.failed();
                    actor.reading_all = false;
                    actor.all_unread = true;
                }
                Err(Panicked) => return restart_after_panic(context),
            }
            actor.step(context);
        }));
    }

    fn take(&mut self, done: Large) {
        match done {
            Large::Made { main, build, from } => {
                self.main = Some(main);
                self.changes.retain(|_, (turn, _)| *turn > from);
                self.build = build;
                self.turn += 1;
            }
            Large::Compared { mut differences, from } => {
                // What was read by itself meanwhile is no older.
                let is_newer =
                    |id: &MovieId| self.changes.get(id).is_some_and(|(turn, _)| *turn > from);
                differences.retain(|(id, _)| !is_newer(id));
                self.differ(differences);
            }
        }
    }

    fn differ(&mut self, differences: Differences) {
        if differences.is_empty() {
            return;
        }
        self.turn += 1;
        let turn = self.turn;
        let changed = differences.into_iter().map(|(id, row)| (id, (turn, row.map(Arc::new))));
        self.changes.extend(changed);
    }

    /// A film as it was read last.
    fn current(&self, id: MovieId) -> Option<MovieRow> {
        match self.changes.get(&id) {
            Some((_, row)) => row.as_deref().cloned(),
            None => self.main.as_ref()?.row(id),
        }
    }

    /// Answers these, and everybody else who waits, as soon as what is known by now is published.
    fn answer_when_shown(&mut self, waiting: Waiting) {
        let turn = self.turn;
        self.waiting_for_turn.extend(waiting.into_iter().map(|it| (turn, it)));
        let shown = self.shown;
        for (_, waiting) in self.waiting_for_turn.extract_if(.., |(turn, _)| *turn <= shown) {
            // Whoever gave up waiting does not want it any more.
            let _ = waiting.send(true);
        }
    }
}

impl Actor for MovieIndexActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.notify(Step);
        context.notify_later(Look, LOOK_EVERY);
    }
}

impl Supervised for MovieIndexActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        // What was under way is gone, and with it what it was about. What is published stays.
        let pause = self.life.restarted();
        self.small.pause(pause);
        self.large.pause(pause);
        self.reading_all = false;
        self.all_unread = true;
        self.waiting.clear();
        self.waiting_for_all.clear();
        self.waiting_for_turn.clear();
        self.timer = None;
        self.say();
    }
}

impl Handler<Step> for MovieIndexActor {
    type Result = ();

    fn handle(&mut self, _: Step, context: &mut Context<Self>) {
        self.step(context);
    }
}

impl Handler<Look> for MovieIndexActor {
    type Result = ();

    fn handle(&mut self, _: Look, context: &mut Context<Self>) {
        let max_age = if self.ports.alone.now() { MAX_AGE_ALONE } else { MAX_AGE };
        self.all_unread |= self.read_at.is_some_and(|at| at.elapsed() >= max_age);
        self.step(context);
        context.notify_later(Look, LOOK_EVERY);
    }
}

impl Handler<Follow> for MovieIndexActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Follow(changed): Follow, context: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        // Before there is an index the store is asked, and nobody needs to wait.
        let waits = self.shown > 0;
        if changed.is_all() {
            self.all_unread = true;
            self.waiting_for_all.extend(waits.then_some(sender));
        } else {
            self.unread.extend(changed.movies());
            self.waiting.extend(waits.then_some(sender));
        }
        self.step(context);
        Box::pin(async move { receiver.await.unwrap_or(false) })
    }
}

crate::injectable!(MovieIndexActor);
