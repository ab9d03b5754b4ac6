//! Starting every actor over its ports, and stopping them in order.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use actix::ArbiterHandle;
use tokio::sync::broadcast;

use crate::{
    catalogue_sync::{CatalogueSyncHandle, CatalogueSyncPorts, CatalogueSyncSettings},
    changes::{Alone, Applied, BEHIND, Following},
    domain::EntitlementMode,
    entitlement::{EntitlementHandle, EntitlementPorts, EntitlementSettings},
    genre_sync::{GenreSyncHandle, GenreSyncPorts, GenreSyncSettings},
    housekeeping::{HousekeepingHandle, HousekeepingPorts, HousekeepingSettings},
    mailer::{MailerHandle, MailerPorts},
    movie_index::{MovieIndexHandle, MovieIndexPorts},
    movies::{Lifetime, Movies},
    ports::{
        Catalogue, ChangeFeed, Clock, EventBus, GenreStore, Housekeeping, Lease, MailQueue, Mailer,
        MetadataSource, Outbox, Packages, ProcessLeases, Reports, Subscriptions, SyncLog,
        TokenLifetimes, TrendingStore, ViewFeed, WatchLog,
    },
    relay::{RelayHandle, RelayPorts},
    report::{ReportHandle, ReportPorts},
    supervision::ActorHealth,
    tmdb_client::TmdbClientHandle,
    trending::{Tally, TrendingHandle, TrendingPorts},
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
    /// What expires.
    pub housekeeping: Arc<dyn Housekeeping>,
    /// Mails; `None` where no way out was set up.
    pub mails: Option<MailPorts>,
    /// Movies.
    pub catalogue: Arc<dyn Catalogue>,
    /// Genres.
    pub genres: Arc<dyn GenreStore>,
    /// Projections.
    pub reports: Arc<dyn Reports>,
    /// Sync records.
    pub sync_log: Arc<dyn SyncLog>,
    /// Scores of what is being watched.
    pub trending: Arc<dyn TrendingStore>,
    /// TMDb, or what stands for it.
    pub metadata: Arc<dyn MetadataSource>,
    /// Watch events.
    pub bus: Arc<dyn EventBus>,
    /// Changes that every replica hears of.
    pub changes: Arc<dyn ChangeFeed>,
    /// Views of movies' details.
    pub views: Arc<dyn ViewFeed>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Mails on their way.
#[derive(Clone)]
pub struct MailPorts {
    /// Those that wait.
    pub queue: Arc<dyn MailQueue>,
    /// Where they go.
    pub mailer: Arc<dyn Mailer>,
    /// For how long the tokens in them count.
    pub lifetimes: TokenLifetimes,
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
    /// The same while the changes of other replicas do not arrive.
    pub entitlement_max_age_alone: Duration,
    /// For how long the audit log is kept.
    pub audit_retention: Duration,
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
    /// What lists of movies are answered from.
    pub index: MovieIndexHandle,
    /// Mails; `None` when no way out was set up.
    pub mailer: Option<MailerHandle>,
    /// What is being watched.
    pub trending: TrendingHandle,
    /// Deleting what has expired.
    pub housekeeping: HousekeepingHandle,
    /// Whether the changes of other replicas do not arrive now.
    pub alone: Alone,
    /// The leases of this process.
    pub leases: ProcessLeases,
    applied: broadcast::Sender<Applied>,
}

/// Starts every actor on an arbiter.
pub fn start(arbiter: &ArbiterHandle, ports: Ports, settings: Settings) -> Handles {
    let leases = ProcessLeases::new(ports.lease);
    let following = Following::new(&*ports.changes);
    let alone = following.alone();
    let tally = Tally::default();
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
    let index = MovieIndexHandle::start(
        arbiter,
        MovieIndexPorts { catalogue: Arc::clone(&ports.catalogue), alone: alone.clone() },
    );
    let catalogue_sync = CatalogueSyncHandle::start(
        arbiter,
        CatalogueSyncPorts {
            tmdb: tmdb.clone(),
            genres: genres.clone(),
            catalogue: Arc::clone(&ports.catalogue),
            index: index.clone(),
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
            alone: alone.clone(),
            clock: Arc::clone(&ports.clock),
        },
        EntitlementSettings {
            mode: settings.entitlement_mode,
            max_age: settings.entitlement_max_age,
            max_age_alone: settings.entitlement_max_age_alone,
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
            tally: tally.clone(),
            clock: Arc::clone(&ports.clock),
        },
    );
    let trending = TrendingHandle::start(
        arbiter,
        TrendingPorts {
            views: ports.views,
            store: ports.trending,
            catalogue: Arc::clone(&ports.catalogue),
            leases: leases.clone(),
            clock: Arc::clone(&ports.clock),
        },
        tally,
    );
    let relay = RelayHandle::start(
        arbiter,
        RelayPorts {
            outbox: ports.outbox,
            bus: ports.bus,
            leases: leases.clone(),
            clock: Arc::clone(&ports.clock),
        },
    );
    let housekeeping = HousekeepingHandle::start(
        arbiter,
        HousekeepingPorts {
            store: ports.housekeeping,
            leases: leases.clone(),
            clock: Arc::clone(&ports.clock),
        },
        HousekeepingSettings { audit_retention: settings.audit_retention },
    );
    let mailer = ports.mails.map(|MailPorts { queue, mailer, lifetimes }| {
        let ports =
            MailerPorts { queue, mailer, leases: leases.clone(), clock: Arc::clone(&ports.clock) };
        MailerHandle::start(arbiter, ports, lifetimes)
    });
    let movies = Movies::new(
        ports.catalogue,
        tmdb.clone(),
        catalogue_sync.clone(),
        index.clone(),
        ports.changes,
        ports.clock,
        Lifetime { ttl: settings.movie_ttl, alone: alone.clone() },
    );
    let handles = Handles {
        genres,
        tmdb,
        entitlements,
        reports,
        relay,
        catalogue_sync,
        movies,
        index,
        mailer,
        trending,
        housekeeping,
        alone,
        leases,
        applied: broadcast::Sender::new(BEHIND),
    };
    arbiter.spawn(following.run(handles.clone()));
    handles
}

impl Handles {
    /// What the actors have taken in, from now on. A receiver that lags has missed some: it
    /// forgets everything.
    #[must_use]
    pub fn applied(&self) -> broadcast::Receiver<Applied> {
        self.applied.subscribe()
    }

    pub(crate) fn tell(&self, applied: Applied) {
        // Nobody listening is nothing to tell.
        let _ = self.applied.send(applied);
    }

    /// How every actor is doing.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorHealth> {
        let mut actors = vec![
            self.genres.health(),
            self.tmdb.health(),
            self.entitlements.health(),
            self.reports.health(),
            self.relay.health(),
            self.catalogue_sync.health(),
            self.index.health(),
            self.trending.health(),
            self.housekeeping.health(),
        ];
        actors.extend(self.mailer.as_ref().map(MailerHandle::health));
        actors
    }

    /// Stops what moves events and mails. Call it when HTTP has stopped.
    pub async fn drain(&self) {
        tokio::join!(self.drain_events(), self.drain_mails());
    }

    async fn drain_mails(&self) {
        let Some(mailer) = &self.mailer else { return };
        if let Err(error) = mailer.drain().await {
            tracing::warn!(%error, "the mailer did not drain; its mails come again at the next start");
        }
    }

    /// In order: the relay finishes its batch, which the ReportActor folds, then the ReportActor
    /// ends between two events and what was counted is stored.
    async fn drain_events(&self) {
        if let Err(error) = self.relay.drain().await {
            tracing::warn!(%error, "the relay did not drain; its events come again at the next start");
        }
        if let Err(error) = self.reports.drain().await {
            tracing::warn!(%error, "folding did not drain; its events come again at the next start");
        }
        // After folding, which counts marks.
        if let Err(error) = self.trending.drain().await {
            tracing::warn!(%error, "the last views and marks do not count as trending");
        }
    }
}
