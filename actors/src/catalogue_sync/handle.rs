//! The way to the CatalogueSyncActor.

use std::{sync::Arc, time::Duration};

use actix::ArbiterHandle;

use super::{actor::CatalogueSyncActor, messages::CatalogueProgress, pass::Backlog};
use crate::{
    genre_sync::GenreSyncHandle,
    movie_index::MovieIndexHandle,
    ports::{Catalogue, ChangeFeed, Clock, ProcessLeases, SyncLog},
    published::Published,
    supervision::{ActorRef, ActorSpec},
    tmdb_client::TmdbClientHandle,
};

/// What the operator sets.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueSyncSettings {
    /// Pages of 20 movies per genre, from 1 to 500.
    pub pages_per_genre: u32,
}

/// What the actor works with.
#[derive(Clone)]
pub struct CatalogueSyncPorts {
    /// TMDb.
    pub tmdb: TmdbClientHandle,
    /// The list to go by.
    pub genres: GenreSyncHandle,
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// What lists are answered from.
    pub index: MovieIndexHandle,
    /// What the last runs came to.
    pub sync_log: Arc<dyn SyncLog>,
    /// Which replica runs.
    pub leases: ProcessLeases,
    /// Tells every replica.
    pub changes: Arc<dyn ChangeFeed>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Watches over the catalogue's synchronisation. Cheap to clone.
#[derive(Clone)]
pub struct CatalogueSyncHandle {
    actor: ActorRef<CatalogueSyncActor>,
    progress: Arc<Published<CatalogueProgress>>,
}

impl CatalogueSyncHandle {
    /// Starts the actor on an arbiter.
    pub fn start(
        arbiter: &ArbiterHandle,
        ports: CatalogueSyncPorts,
        settings: CatalogueSyncSettings,
    ) -> Self {
        let progress = Arc::new(Published::new(CatalogueProgress::default()));
        let shared = Arc::clone(&progress);
        // Outlives the actor: a rebuilt one goes on where the dead one was.
        let backlog = Backlog::default();
        let spec = ActorSpec {
            name: "catalogue_sync",
            max_under_way: 16,
            deadline: Duration::from_secs(5),
        };
        let actor = ActorRef::start(arbiter, spec, move |life| {
            CatalogueSyncActor::new(
                life,
                ports.clone(),
                settings,
                Arc::clone(&backlog),
                Arc::clone(&shared),
            )
        });
        Self { actor, progress }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> CatalogueProgress {
        *self.progress.get()
    }

    /// Waits until the progress meets a condition. Has no time limit of its own.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&CatalogueProgress) -> bool,
    ) -> CatalogueProgress {
        *self.progress.wait_for(condition).await
    }
}

crate::supervision::watched_over!(CatalogueSyncHandle);
