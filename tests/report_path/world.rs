//! The stores, the bus and the actors, without HTTP.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Arbiter;
use tokio::time::{Instant, sleep};
use watchme::adapters::sql::SqlStore;
use watchme_actors::{
    Handles,
    domain::{
        EntitlementMode, GenreId, MovieId, MovieSnapshot, PackageId, Projection, Role, Timestamp,
        UserId, Viewing,
    },
    ports::{
        Accounts, Clock, Created, DeadLetter, MarkMovie, NewAccount, NewPackage, NewSubscription,
        Packages, Probe, Reports, Subscriptions, WatchLog,
    },
    testing::fakes::ScriptedMetadata,
};

use crate::support::stores::{Bus, Stores};

/// The machine's clock, moved forward by what a test says.
#[derive(Default)]
pub(crate) struct MovedClock(AtomicU64);

impl MovedClock {
    pub(crate) fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::now().after(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) sql: SqlStore,
    pub(crate) reports: Arc<dyn Reports>,
    pub(crate) clock: Arc<MovedClock>,
    package: PackageId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stores = Stores::fresh().await;
        let (sql, reports) = (stores.sql.clone(), Arc::clone(&stores.documents.reports));
        let package = NewPackage {
            name: "Everything".parse().unwrap(),
            genres: [genre(1), genre(2), genre(3)].into_iter().collect(),
            created_by: None,
            now: Timestamp::now(),
        };
        let package = Packages::create(&sql, package, None).await.unwrap().into_inner().id;
        Self { stores, sql, reports, clock: Arc::default(), package }
    }

    pub(crate) async fn start(&self) -> Running {
        let arbiter = Arbiter::new();
        let bus = self.stores.bus().await;
        let documents = self.stores.documents.clone();
        let handles = watchme_actors::start(
            &arbiter.handle(),
            watchme_actors::Ports {
                packages: Arc::new(self.sql.clone()),
                subscriptions: Arc::new(self.sql.clone()),
                watch_log: Arc::new(self.sql.clone()),
                outbox: Arc::new(self.sql.clone()),
                lease: self.stores.lease(),
                housekeeping: Arc::new(self.sql.clone()),
                mails: None,
                catalogue: documents.catalogue,
                genres: documents.genres,
                reports: documents.reports,
                sync_log: documents.sync_log,
                trending: documents.trending,
                metadata: Arc::new(ScriptedMetadata::new()),
                bus: bus.events.clone(),
                changes: bus.changes.clone(),
                views: bus.views.clone(),
                clock: self.clock.clone(),
            },
            watchme_actors::Settings {
                genre_sync_interval: Duration::from_secs(7_200),
                catalogue_pages: 1,
                tmdb_rate: None,
                movie_ttl: Duration::from_secs(300),
                entitlement_mode: EntitlementMode::Any,
                entitlement_max_age: Duration::from_secs(60),
                entitlement_max_age_alone: Duration::from_secs(2),
                audit_retention: Duration::from_secs(86_400),
            },
        );
        Running { handles, bus, arbiter, sql: self.sql.clone() }
    }

    pub(crate) async fn user(&self) -> UserId {
        let account = NewAccount {
            email: format!("{}@example.com", UserId::generate()).parse().unwrap(),
            email_verified: true,
            name: "Ada".parse().unwrap(),
            role: Role::User,
            password_hash: "none".into(),
            now: Timestamp::now(),
        };
        let Created::Now(user) = Accounts::create(&self.sql, account, None).await.unwrap() else {
            panic!("a new account is new");
        };
        let subscription = NewSubscription {
            user: user.id,
            package: self.package,
            starts_at: Timestamp::EPOCH,
            ends_at: None,
            now: Timestamp::now(),
        };
        self.sql.subscribe(subscription, None).await.unwrap();
        user.id
    }

    pub(crate) async fn mark(&self, user: UserId, number: i64) {
        let genres = [genre(number % 3 + 1), genre(1)].into_iter().collect();
        let movie = MovieSnapshot { id: movie(number), title: format!("movie {number}"), genres };
        let request = MarkMovie {
            user,
            movie_id: movie.id,
            movie: Some(movie),
            viewing: None::<Viewing>,
            mode: EntitlementMode::Any,
            now: self.clock.now(),
        };
        self.sql.mark(request).await.unwrap();
    }

    pub(crate) async fn unmark(&self, user: UserId, number: i64) {
        assert!(self.sql.unmark(user, movie(number), self.clock.now()).await.unwrap());
    }

    /// What the marks add up to.
    pub(crate) async fn truth(&self, user: UserId) -> Projection {
        let history = self.sql.history(user).await.unwrap().unwrap();
        Projection::rebuilt(user, history.seq, &history.marks)
    }

    /// Waits until the stored projection equals the marks.
    pub(crate) async fn settled(&self, user: UserId) {
        let truth = self.truth(user).await;
        eventually("the stored report equals the marks", || async {
            self.reports.projection(user).await.is_ok_and(|it| it.as_ref() == Some(&truth))
        })
        .await;
    }
}

pub(crate) struct Running {
    pub(crate) handles: Handles,
    pub(crate) bus: Bus,
    pub(crate) arbiter: Arbiter,
    sql: SqlStore,
}

impl Running {
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        // There is no stream before the first message.
        self.bus.dead_letters.list(0, 10).await.unwrap_or_default()
    }

    pub(crate) async fn stop(self) {
        self.handles.drain().await;
        self.bus.close().await;
        self.arbiter.stop();
        tokio::task::spawn_blocking(move || self.arbiter.join()).await.unwrap().unwrap();
        // The connections that its thread has opened went with it: each of these finds some of them.
        for _ in 0..32 {
            let _ = self.sql.check().await;
        }
    }
}

fn genre(number: i64) -> GenreId {
    GenreId::try_from(number).unwrap()
}

fn movie(number: i64) -> MovieId {
    MovieId::try_from(number).unwrap()
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check().await {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}
