//! What users hold, as a test says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    domain::{
        GenreId, GenreSet, Holding, Package, PackageId, PackageName, PackageRef, PackageVersion,
        Page, PageRequest, Subscription, SubscriptionId, Timestamp, UserId,
    },
    ports::{
        Created, IdempotencyKey, NewPackage, NewSubscription, PackageEdit, PackageError,
        PackageFilter, Packages, StoreError, SubscriptionError, Subscriptions,
    },
};

/// Answers `holdings` and `version_genres`; everything else is unavailable. Clones share it.
#[derive(Clone, Default)]
pub struct ScriptedHoldings(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    holdings: HashMap<UserId, Vec<Holding>>,
    genres: HashMap<(PackageId, u32), GenreSet>,
    reads: u32,
    version_reads: u32,
    delay: Duration,
    panics: u32,
    failing: bool,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { store: "sql", reason: "as the test said".to_owned() }
}

impl ScriptedHoldings {
    /// Nobody holds anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a user a subscription to a new package of these genres.
    pub fn give(
        &self,
        user: UserId,
        genres: &[i64],
        starts_at: Timestamp,
        ends_at: Option<Timestamp>,
    ) -> PackageId {
        let id = PackageId::generate();
        let set = genres.iter().map(|id| GenreId::try_from(*id).expect("a genre id")).collect();
        let name: PackageName = "a package".parse().expect("a package name");
        let holding = Holding {
            subscription: SubscriptionId::generate(),
            package: PackageRef { id, name, version: 1 },
            starts_at,
            ends_at,
        };
        let mut state = self.lock();
        state.genres.insert((id, 1), set);
        state.holdings.entry(user).or_default().push(holding);
        id
    }

    /// Takes everything from a user.
    pub fn take_all(&self, user: UserId) {
        self.lock().holdings.remove(&user);
    }

    /// From now on a read sees what is true when it begins and takes this long.
    pub fn set_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// The next `reads` of holdings panic.
    pub fn panic_next(&self, reads: u32) {
        self.lock().panics = reads;
    }

    /// From now on every read fails, or works.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// How often holdings were read.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.lock().reads
    }

    /// How often genres of package versions were read.
    #[must_use]
    pub fn version_reads(&self) -> u32 {
        self.lock().version_reads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("panics on order happen outside the lock")
    }
}

#[async_trait]
impl Subscriptions for ScriptedHoldings {
    async fn holdings(&self, user: UserId, _: Timestamp) -> Result<Vec<Holding>, StoreError> {
        let (held, delay, panics, failing) = {
            let mut state = self.lock();
            state.reads += 1;
            let panics = state.panics > 0;
            state.panics = state.panics.saturating_sub(1);
            let held = state.holdings.get(&user).cloned().unwrap_or_default();
            (held, state.delay, panics, state.failing)
        };
        tokio::time::sleep(delay).await;
        assert!(!panics, "on order");
        if failing { Err(unavailable()) } else { Ok(held) }
    }

    async fn subscribe(
        &self,
        _: NewSubscription,
        _: Option<&IdempotencyKey>,
    ) -> Result<Created<Subscription>, SubscriptionError> {
        Err(unavailable().into())
    }

    async fn made_before(
        &self,
        _: &IdempotencyKey,
        _: Timestamp,
    ) -> Result<Option<Subscription>, SubscriptionError> {
        Err(unavailable().into())
    }

    async fn subscription(&self, _: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        Err(unavailable())
    }

    async fn subscriptions(
        &self,
        _: UserId,
        _: PageRequest,
    ) -> Result<Page<Subscription>, StoreError> {
        Err(unavailable())
    }

    async fn cancel(
        &self,
        _: SubscriptionId,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Subscription, SubscriptionError> {
        Err(unavailable().into())
    }
}

#[async_trait]
impl Packages for ScriptedHoldings {
    async fn version_genres(
        &self,
        versions: &[(PackageId, u32)],
    ) -> Result<HashMap<(PackageId, u32), GenreSet>, StoreError> {
        let mut state = self.lock();
        state.version_reads += 1;
        let known = |version: &(PackageId, u32)| {
            state.genres.get(version).map(|genres| (*version, genres.clone()))
        };
        Ok(versions.iter().filter_map(known).collect())
    }

    async fn create(
        &self,
        _: NewPackage,
        _: Option<&IdempotencyKey>,
    ) -> Result<Created<Package>, PackageError> {
        Err(unavailable().into())
    }

    async fn made_before(
        &self,
        _: &IdempotencyKey,
        _: Timestamp,
    ) -> Result<Option<Package>, PackageError> {
        Err(unavailable().into())
    }

    async fn package(&self, _: PackageId) -> Result<Option<Package>, StoreError> {
        Err(unavailable())
    }

    async fn packages(
        &self,
        _: &PackageFilter,
        _: PageRequest,
    ) -> Result<Page<Package>, StoreError> {
        Err(unavailable())
    }

    async fn versions(
        &self,
        _: PackageId,
        _: PageRequest,
    ) -> Result<Page<PackageVersion>, StoreError> {
        Err(unavailable())
    }

    async fn edit(&self, _: PackageId, _: PackageEdit) -> Result<Package, PackageError> {
        Err(unavailable().into())
    }

    async fn archive(&self, _: PackageId, _: Timestamp) -> Result<Package, PackageError> {
        Err(unavailable().into())
    }
}
