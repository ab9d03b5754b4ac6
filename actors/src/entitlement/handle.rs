//! The way to the EntitlementActor.

use std::{sync::Arc, time::Duration};

use actix::ArbiterHandle;
use quick_cache::sync::Cache;

use super::{
    actor::EntitlementActor,
    messages::{EntitlementError, Forget, Load, UserEntitlement},
};
use crate::{
    changes::Alone,
    domain::{EntitlementMode, PackageId, UserId},
    ports::{Clock, Packages, Subscriptions},
    supervision::{ActorRef, ActorSpec},
};

/// Users whose entitlement is remembered; the least used are forgotten first.
const REMEMBERED: usize = 100_000;

/// What the operator sets.
#[derive(Debug, Clone, Copy)]
pub struct EntitlementSettings {
    /// How many of a movie's genres have to be permitted.
    pub mode: EntitlementMode,
    /// Older than this, an entitlement is read again, whatever was announced or missed.
    pub max_age: Duration,
    /// The same while the changes of other replicas do not arrive.
    pub max_age_alone: Duration,
}

/// What the actor works with.
#[derive(Clone)]
pub struct EntitlementPorts {
    /// Versions and their genres.
    pub packages: Arc<dyn Packages>,
    /// What users hold.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Whether the changes of other replicas do not arrive.
    pub alone: Alone,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Reads entitlements. Cheap to clone.
#[derive(Clone)]
pub struct EntitlementHandle {
    actor: ActorRef<EntitlementActor>,
    published: Arc<Cache<UserId, Arc<UserEntitlement>>>,
    clock: Arc<dyn Clock>,
    alone: Alone,
    settings: EntitlementSettings,
}

impl EntitlementHandle {
    /// Starts the actor on an arbiter.
    pub fn start(
        arbiter: &ArbiterHandle,
        ports: EntitlementPorts,
        settings: EntitlementSettings,
    ) -> Self {
        let published = Arc::new(Cache::new(REMEMBERED));
        let (clock, alone) = (Arc::clone(&ports.clock), ports.alone.clone());
        let spec = ActorSpec {
            name: "entitlement",
            max_under_way: 4_096,
            deadline: Duration::from_secs(5),
        };
        let shared = Arc::clone(&published);
        let actor = ActorRef::start(arbiter, spec, move |life| {
            // What a dead actor was told last, nobody knows.
            shared.clear();
            EntitlementActor::new(life, ports.clone(), settings, Arc::clone(&shared))
        });
        Self { actor, published, clock, alone, settings }
    }

    /// A user's entitlement now: from what is published, else read once for everybody who waits.
    ///
    /// # Errors
    /// [`EntitlementError`].
    pub async fn of(&self, user: UserId) -> Result<Arc<UserEntitlement>, EntitlementError> {
        let now = self.clock.now();
        let EntitlementSettings { max_age, max_age_alone, .. } = self.settings;
        let max_age = if self.alone.now() { max_age.min(max_age_alone) } else { max_age };
        match self.published.get(&user) {
            Some(entry)
                if entry.valid_until.is_none_or(|until| now < until)
                    && entry.read_at.elapsed() < max_age =>
            {
                Ok(entry)
            }
            _ => self.actor.call(Load(user)).await?,
        }
    }

    /// Forgets a user's entitlement. Who has changed their subscriptions awaits this before
    /// answering, so that the very next request sees the change.
    pub async fn forget_user(&self, user: UserId) {
        if let Err(error) = self.actor.call_always(Forget::User(user)).await {
            // Its reads under way died with it, or will see the message first.
            tracing::warn!(%error, %user, "an entitlement is forgotten past the actor");
            self.published.remove(&user);
        }
    }

    /// Forgets the entitlement of everybody who holds a package.
    pub async fn forget_package(&self, package: PackageId) {
        self.forget_many(Forget::Package(package)).await;
    }

    /// Forgets everybody's entitlement: changes may have been missed.
    pub async fn forget_everything(&self) {
        self.forget_many(Forget::Everything).await;
    }

    async fn forget_many(&self, message: Forget) {
        if let Err(error) = self.actor.call_always(message).await {
            tracing::warn!(%error, forgotten = ?message, "every entitlement is forgotten past the actor");
            self.published.clear();
        }
    }
}

crate::supervision::watched_over!(EntitlementHandle);
