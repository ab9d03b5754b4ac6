//! The way to the index of films, and to the actor that keeps it.

use std::{sync::Arc, time::Duration};

use actix::ArbiterHandle;

use super::{
    actor::MovieIndexActor,
    changed::Changed,
    index::{Listing, MovieIndex},
    messages::{Follow, IndexStatus},
};
use crate::{
    changes::Alone,
    domain::{MovieId, MovieQuery, PageRequest},
    ports::{Catalogue, Change},
    published::Published,
    supervision::{ActorRef, ActorSpec},
};

/// How long one waits until a change of single films is shown.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same of everything: among few films that takes less, and nobody should wait for many.
const PATIENCE_WITH_ALL: Duration = Duration::from_millis(250);

/// What the actor works with.
#[derive(Clone)]
pub struct MovieIndexPorts {
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// Whether the changes of other replicas do not arrive.
    pub alone: Alone,
}

/// What the actor publishes.
#[derive(Clone)]
pub(super) struct Shared {
    /// `None` until the first films were read.
    pub(super) index: Arc<Published<Option<MovieIndex>>>,
    pub(super) status: Arc<Published<IndexStatus>>,
}

/// Answers lists from the index. Cheap to clone.
#[derive(Clone)]
pub struct MovieIndexHandle {
    actor: ActorRef<MovieIndexActor>,
    shared: Shared,
}

impl MovieIndexHandle {
    /// Starts the actor on an arbiter.
    pub fn start(arbiter: &ArbiterHandle, ports: MovieIndexPorts) -> Self {
        let shared = Shared {
            index: Arc::new(Published::new(None)),
            status: Arc::new(Published::new(IndexStatus::NONE)),
        };
        let spec = ActorSpec { name: "movie_index", max_under_way: 4_096, deadline: PATIENCE };
        let published = shared.clone();
        let actor = ActorRef::start(arbiter, spec, move |life| {
            // What a dead actor was told last, nobody knows.
            published.index.set(None);
            published.status.set(IndexStatus::NONE);
            MovieIndexActor::new(life, ports.clone(), published.clone())
        });
        Self { actor, shared }
    }

    /// A page of the films that [`MovieQuery::matches`], in the query's order. `None` while there
    /// is no index: the store has to be asked.
    pub async fn list(&self, query: &MovieQuery, page: PageRequest) -> Option<Listing> {
        let published = self.shared.index.get();
        let index = Option::as_ref(&published)?;
        if index.is_quick(query) {
            return Some(index.list(query, page));
        }
        let query = query.clone();
        let list = move || Some(Option::as_ref(&published)?.list(&query, page));
        tokio::task::spawn_blocking(list).await.ok()?
    }

    /// Waits until lists show what has changed, for a while at most; whether they do.
    pub(crate) async fn follow(&self, changed: Changed) -> bool {
        let patience = if changed.is_all() { PATIENCE_WITH_ALL } else { PATIENCE };
        let followed = self.actor.call_always(Follow(changed));
        matches!(tokio::time::timeout(patience, followed).await, Ok(Ok(true)))
    }

    /// Says which movies the caller has just stored or removed. Lists show it soon; an actor that
    /// dies meanwhile reads everything.
    pub(crate) fn tell(&self, movies: &[MovieId]) {
        let changed: Changed = movies.iter().copied().map(Change::Movie).collect();
        if !changed.is_empty() {
            self.actor.tell(Follow(changed));
        }
    }

    /// The same, and waits until lists show it, for a while at most.
    pub(crate) async fn follow_movies(&self, movies: &[MovieId]) {
        let changed: Changed = movies.iter().copied().map(Change::Movie).collect();
        if !changed.is_empty() && !self.follow(changed).await {
            tracing::debug!("lists will show changed movies later");
        }
    }

    /// Reads everything again, and waits until lists show it, for a while at most.
    pub(crate) async fn follow_everything(&self) {
        let changed = [Change::AllMovies].into_iter().collect();
        let followed = self.actor.call_always(Follow(changed));
        if !matches!(followed.await, Ok(true)) {
            tracing::debug!("lists will show everything later");
        }
    }

    /// Waits until lists show everything that is known to have changed. Has no time limit.
    pub(crate) async fn caught_up(&self) {
        self.shared.status.wait_for(|status| !status.behind).await;
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> IndexStatus {
        *self.shared.status.get()
    }

    /// Waits until the status meets a condition. Has no time limit of its own.
    pub async fn wait_for(&self, condition: impl Fn(&IndexStatus) -> bool) -> IndexStatus {
        *self.shared.status.wait_for(condition).await
    }
}

crate::supervision::watched_over!(MovieIndexHandle);
