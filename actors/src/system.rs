//! Starting every actor over its ports, and stopping them in order.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use actix::ArbiterHandle;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    catalogue_sync::{CatalogueSyncHandle, CatalogueSyncPorts, CatalogueSyncSettings},
    domain::EntitlementMode,
    entitlement::{EntitlementHandle, EntitlementPorts, EntitlementSettings},
    genre_sync::{GenreSyncHandle, GenreSyncPorts, GenreSyncSettings},
    movies::Movies,
    ports::{
        Catalogue, Change, ChangeFeed, Clock, EventBus, GenreStore, Lease, MetadataSource, Outbox,
        Packages, ProcessLeases, Reports, Subscriptions, SyncLog, WatchLog,
    },
    relay::{RelayHandle, RelayPorts},
    report::{ReportHandle, ReportPorts},
    supervision::ActorHealth,
    tmdb_client::TmdbClientHandle,
};

/// Everything outside that the actors work with.
#[derive(Clone)]
pub struct Ports {
    /// Packages.
    pub packages: Arc<dyn Packages>,
    /// Subscriptions.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Marks.
    pub watch_log: Arc<dyn WatchLog>,
    /// Events that wait.
    pub outbox: Arc<dyn Outbox>,
    /// Leases.
    pub lease: Arc<dyn Lease>,
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// Genres.
    pub genres: Arc<dyn GenreStore>,
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Sync records.
    pub sync_log: Arc<dyn SyncLog>,
    /// TMDb, or what stands for it.
    pub metadata: Arc<dyn MetadataSource>,
    /// Watch events.
    pub bus: Arc<dyn EventBus>,
    /// Changes that every replica hears of.
    pub changes: Arc<dyn ChangeFeed>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the operator sets of the actors.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// From one success of the genre sync to its next run.
    pub genre_sync_interval: Duration,
    /// Pages of 20 movies per genre that the catalogue sync fetches, from 1 to 500.
    pub catalogue_pages: u32,
    /// Requests to TMDb per second; no limit when `None`.
    pub tmdb_rate: Option<NonZeroU32>,
    /// How long details and searches are remembered.
    pub movie_ttl: Duration,
    /// How many of a movie's genres have to be permitted.
    pub entitlement_mode: EntitlementMode,
    /// Older than this, an entitlement is read again, whatever was announced or missed.
    pub entitlement_max_age: Duration,
}

/// The ways to every actor. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Handles {
    /// The list of genres.
    pub genres: GenreSyncHandle,
    /// TMDb.
    pub tmdb: TmdbClientHandle,
    /// What users may see.
    pub entitlements: EntitlementHandle,
    /// Reports.
    pub reports: ReportHandle,
    /// The outbox relay.
    pub relay: RelayHandle,
    /// The catalogue's synchronisation.
    pub catalogue_sync: CatalogueSyncHandle,
    /// Movies, cache-aside.
    pub movies: Movies,
}

/// Starts every actor on an arbiter.
pub fn start(arbiter: &ArbiterHandle, ports: Ports, settings: Settings) -> Handles {
    let leases = ProcessLeases::new(ports.lease);
    let tmdb = TmdbClientHandle::start(arbiter, ports.metadata, settings.tmdb_rate);
    let genres = GenreSyncHandle::start(
        arbiter,
        GenreSyncPorts {
            tmdb: tmdb.clone(),
            store: ports.genres,
            sync_log: Arc::clone(&ports.sync_log),
            leases: leases.clone(),
            changes: Arc::clone(&ports.changes),
            clock: Arc::clone(&ports.clock),
        },
        GenreSyncSettings { interval: settings.genre_sync_interval },
    );
    let catalogue_sync = CatalogueSyncHandle::start(
        arbiter,
        CatalogueSyncPorts {
            tmdb: tmdb.clone(),
            genres: genres.clone(),
            catalogue: Arc::clone(&ports.catalogue),
            sync_log: Arc::clone(&ports.sync_log),
            leases: leases.clone(),
            changes: Arc::clone(&ports.changes),
            clock: Arc::clone(&ports.clock),
        },
        CatalogueSyncSettings { pages_per_genre: settings.catalogue_pages },
    );
    let entitlements = EntitlementHandle::start(
        arbiter,
        EntitlementPorts {
            packages: ports.packages,
            subscriptions: ports.subscriptions,
            clock: Arc::clone(&ports.clock),
        },
        EntitlementSettings {
            mode: settings.entitlement_mode,
            max_age: settings.entitlement_max_age,
        },
    );
    let reports = ReportHandle::start(
        arbiter,
        ReportPorts {
            reports: ports.reports,
            watch_log: ports.watch_log,
            bus: Arc::clone(&ports.bus),
            sync_log: ports.sync_log,
            leases: leases.clone(),
            clock: Arc::clone(&ports.clock),
        },
    );
    let relay = RelayHandle::start(
        arbiter,
        RelayPorts {
            outbox: ports.outbox,
            bus: ports.bus,
            leases,
            clock: Arc::clone(&ports.clock),
        },
    );
    let movies = Movies::new(
        ports.catalogue,
        tmdb.clone(),
        catalogue_sync.clone(),
        Arc::clone(&ports.changes),
        ports.clock,
        settings.movie_ttl,
    );
    let handles = Handles { genres, tmdb, entitlements, reports, relay, catalogue_sync, movies };
    arbiter.spawn(follow(handles.clone(), ports.changes.subscribe()));
    handles
}

/// Passes on what any replica has changed.
async fn follow(handles: Handles, mut changes: Receiver<Change>) {
    loop {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "changes were missed; everything remembered is read again");
                for change in [Change::AllMovies, Change::Genres] {
                    handles.hear(change).await;
                }
                handles.entitlements.forget_everything().await;
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        handles.hear(change).await;
    }
}

impl Handles {
    async fn hear(&self, change: Change) {
        match change {
            Change::Subscriptions(user) | Change::Account(user) => {
                self.entitlements.forget_user(user).await;
            }
            Change::Package(package) => self.entitlements.forget_package(package).await,
            Change::Genres => {
                if let Err(error) = self.genres.reload().await {
                    tracing::warn!(%error, "the list of genres could not be read again");
                }
            }
            Change::Movie(_) | Change::AllMovies => self.movies.heard(change),
        }
    }

    /// How every actor is doing.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorHealth> {
        vec![
            self.genres.health(),
            self.tmdb.health(),
            self.entitlements.health(),
            self.reports.health(),
            self.relay.health(),
            self.catalogue_sync.health(),
        ]
    }

    /// Stops what moves events, in order: the relay finishes its batch, which the ReportActor
    /// folds, then the ReportActor ends between two events. Call it when HTTP has stopped.
    pub async fn drain(&self) {
        if let Err(error) = self.relay.drain().await {
            tracing::warn!(%error, "the relay did not drain; its events come again at the next start");
        }
        if let Err(error) = self.reports.drain().await {
            tracing::warn!(%error, "folding did not drain; its events come again at the next start");
        }
    }
}
