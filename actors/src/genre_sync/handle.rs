//! The way to the GenreSyncActor.

use std::{sync::Arc, time::Duration};

use actix::ArbiterHandle;

use super::{
    actor::GenreSyncActor,
    messages::{GenreSyncError, GenreSyncStatus, Reload, SyncNow},
};
use crate::{
    domain::GenreList,
    ports::{ChangeFeed, Clock, GenreStore, ProcessLeases, SyncLog},
    published::Published,
    supervision::{ActorRef, ActorSpec},
    tmdb_client::TmdbClientHandle,
};

/// How long a request that needs genres waits for a first list.
const FIRST_LIST: Duration = Duration::from_secs(5);

/// What the operator sets.
#[derive(Debug, Clone, Copy)]
pub struct GenreSyncSettings {
    /// From one success to the next run.
    pub interval: Duration,
}

/// What the actor works with.
#[derive(Clone)]
pub struct GenreSyncPorts {
    /// TMDb.
    pub tmdb: TmdbClientHandle,
    /// Genres.
    pub store: Arc<dyn GenreStore>,
    /// What the last runs came to.
    pub sync_log: Arc<dyn SyncLog>,
    /// Which replica runs.
    pub leases: ProcessLeases,
    /// Tells every replica.
    pub changes: Arc<dyn ChangeFeed>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Reads the list of genres and asks for synchronisation. Cheap to clone.
#[derive(Clone)]
pub struct GenreSyncHandle {
    actor: ActorRef<GenreSyncActor>,
    list: Arc<Published<GenreList>>,
    status: Arc<Published<GenreSyncStatus>>,
}

impl GenreSyncHandle {
    /// Starts the actor on an arbiter.
    pub fn start(
        arbiter: &ArbiterHandle,
        ports: GenreSyncPorts,
        settings: GenreSyncSettings,
    ) -> Self {
        let list = Arc::new(Published::new(GenreList::default()));
        let status = Arc::new(Published::new(GenreSyncStatus::default()));
        let (shared_list, shared_status) = (Arc::clone(&list), Arc::clone(&status));
        let spec =
            ActorSpec { name: "genre_sync", max_under_way: 64, deadline: Duration::from_secs(60) };
        let actor = ActorRef::start(arbiter, spec, move |life| {
            GenreSyncActor::new(
                life,
                ports.clone(),
                settings,
                Arc::clone(&shared_list),
                Arc::clone(&shared_status),
            )
        });
        Self { actor, list, status }
    }

    /// The list as it is now; empty until the first one was stored.
    #[must_use]
    pub fn list(&self) -> Arc<GenreList> {
        self.list.get()
    }

    /// How often the list was published: what is made of the list after this was read is of the
    /// latest one for as long as this stays the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.list.generation()
    }

    /// The list, waiting up to 5 s for a first one.
    ///
    /// # Errors
    /// [`GenreSyncError::NotReady`].
    pub async fn wait_for_list(&self) -> Result<Arc<GenreList>, GenreSyncError> {
        let list = self.list.get();
        if !list.is_empty() {
            return Ok(list);
        }
        let some = self.list.wait_for(|list| !list.is_empty());
        tokio::time::timeout(FIRST_LIST, some).await.map_err(|_| GenreSyncError::NotReady)
    }

    /// Waits for a first list however long it takes.
    pub(crate) async fn first_list(&self) -> Arc<GenreList> {
        self.list.wait_for(|list| !list.is_empty()).await
    }

    /// How synchronisation is doing.
    #[must_use]
    pub fn status(&self) -> Arc<GenreSyncStatus> {
        self.status.get()
    }

    /// Runs a synchronisation, or joins the one under way, and waits for its end.
    ///
    /// # Errors
    /// Every [`GenreSyncError`] but `NotReady`.
    pub async fn sync_now(&self) -> Result<GenreSyncStatus, GenreSyncError> {
        self.actor.call(SyncNow).await??;
        Ok((*self.status.get()).clone())
    }

    /// Reads the stored list again; it is published when this returns.
    ///
    /// # Errors
    /// `Store`, `Actor`; the old list is kept.
    pub(crate) async fn reload(&self) -> Result<(), GenreSyncError> {
        self.actor.call(Reload).await?
    }
}

crate::supervision::watched_over!(GenreSyncHandle);
