//! Passing on what any replica has changed, and what holds while nothing of others is heard.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
    watch,
};

use crate::{
    backoff::Backoff,
    movie_index::Changed,
    ports::{Change, ChangeFeed},
    system::Handles,
};

/// How old the list of genres may become while the changes of others do not arrive.
const GENRES_MAX_AGE_ALONE: Duration = Duration::from_secs(30);
/// Changes that a slow listener may be behind; beyond that it forgets everything.
pub(crate) const BEHIND: usize = 4_096;

/// Something that the actors of this process have taken in: whoever reads them from now on is not
/// told what was true before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// A change.
    Change(Change),
    /// Changes may have been missed: whatever is remembered has to be forgotten.
    Everything,
}

/// Whether the changes of other replicas do not arrive now. What is remembered may then be untrue
/// without anybody telling, and has to be read again soon.
#[derive(Debug, Clone)]
pub struct Alone(watch::Receiver<bool>);

impl Alone {
    /// For a process that is all there is, or is always told.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::Sender::new(false).subscribe())
    }

    /// For a test of what holds then.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn always() -> Self {
        Self(watch::Sender::new(true).subscribe())
    }

    /// Whether they do not arrive now. Takes no lock for longer than a look.
    #[must_use]
    pub fn now(&self) -> bool {
        *self.0.borrow()
    }
}

/// Hears of changes on one side, and tells of them on the other once the actors know.
pub(crate) struct Following {
    changes: broadcast::Receiver<Change>,
    connected: watch::Receiver<bool>,
    alone: watch::Sender<bool>,
    genres: Arc<Notify>,
    movies: Arc<ChangedMovies>,
}

/// Movies that were heard of and not told of.
#[derive(Debug, Default)]
struct ChangedMovies {
    changed: Mutex<Changed>,
    some: Notify,
}

impl ChangedMovies {
    fn add(&self, change: Change) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).add(change);
        self.some.notify_one();
    }

    fn take(&self) -> Changed {
        mem::take(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Following {
    /// Hears of everything from now on.
    pub(crate) fn new(feed: &dyn ChangeFeed) -> Self {
        let changes = feed.subscribe();
        let mut connected = feed.connected();
        let alone = watch::Sender::new(!*connected.borrow_and_update());
        Self { changes, connected, alone, genres: Arc::default(), movies: Arc::default() }
    }

    pub(crate) fn alone(&self) -> Alone {
        Alone(self.alone.subscribe())
    }

    /// Does both until the feed ends. Genres and movies are read beside the rest: a slow store of
    /// documents must not hold up what changes who may see what.
    pub(crate) async fn run(mut self, handles: Handles) {
        let genres = keep_genres(handles.clone(), Arc::clone(&self.genres));
        let movies = keep_movies(handles.clone(), Arc::clone(&self.movies));
        tokio::select! {
            () = self.hear(&handles) => {}
            () = genres => {}
            () = movies => {}
        }
    }

    async fn hear(&mut self, handles: &Handles) {
        let mut told = true;
        loop {
            tokio::select! {
                biased;
                flipped = self.connected.changed(), if told => match flipped {
                    Ok(()) => self.connection_changed(handles).await,
                    // Whoever knew is gone; what it said last stays.
                    Err(_) => told = false,
                },
                change = self.changes.recv() => match change {
                    Ok(change) => self.changed(handles, change).await,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "changes were missed; everything remembered is read again");
                        self.forget_everything(handles).await;
                    }
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn connection_changed(&mut self, handles: &Handles) {
        let connected = *self.connected.borrow_and_update();
        if connected {
            tracing::info!(
                "changes of other replicas arrive again; everything remembered is read again"
            );
            self.forget_everything(handles).await;
        } else {
            tracing::warn!(
                "changes of other replicas do not arrive; what is remembered is read again soon"
            );
        }
        // Only now: what was remembered in between is not trusted for longer than it was then.
        self.alone.send_replace(!connected);
    }

    async fn changed(&self, handles: &Handles, change: Change) {
        match change {
            Change::Subscriptions(user) | Change::Account(user) => {
                handles.entitlements.forget_user(user).await;
            }
            Change::Package(package) => handles.entitlements.forget_package(package).await,
            // Told when it has been read.
            Change::Genres => return self.genres.notify_one(),
            // Told when lists show it.
            Change::Movie(_) | Change::AllMovies => {
                handles.movies.heard(change);
                return self.movies.add(change);
            }
        }
        handles.tell(Applied::Change(change));
    }

    async fn forget_everything(&self, handles: &Handles) {
        handles.movies.heard(Change::AllMovies);
        handles.entitlements.forget_everything().await;
        handles.tell(Applied::Everything);
        self.genres.notify_one();
        self.movies.add(Change::AllMovies);
    }
}

/// Has what has changed put into the index of films, and tells of it when lists show it. Where that
/// takes long it is told twice, before and after: a store that fails must not keep anybody from
/// forgetting.
async fn keep_movies(handles: Handles, changed: Arc<ChangedMovies>) {
    let mut behind = false;
    loop {
        tokio::select! {
            () = changed.some.notified() => {
                let changed = changed.take();
                if changed.is_empty() {
                    continue;
                }
                behind |= !handles.index.follow(changed.clone()).await;
                changed.changes().for_each(|change| handles.tell(Applied::Change(change)));
            }
            () = handles.index.caught_up(), if behind => {
                behind = false;
                handles.tell(Applied::Change(Change::AllMovies));
            }
        }
    }
}

/// Reads the list of genres again when it has changed, and from time to time while that would
/// not be heard of.
async fn keep_genres(handles: Handles, changed: Arc<Notify>) {
    loop {
        let told = tokio::select! {
            () = changed.notified() => true,
            () = tokio::time::sleep(GENRES_MAX_AGE_ALONE) => false,
        };
        if !told && !handles.alone.now() {
            continue;
        }
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        while let Err(error) = handles.genres.reload().await {
            tracing::warn!(%error, "the list of genres could not be read again");
            tokio::time::sleep(backoff.after_failure()).await;
        }
        handles.tell(Applied::Change(Change::Genres));
    }
}
