//! HousekeepingActor.

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Supervised, WrapFuture};

use super::{
    handle::{HousekeepingPorts, HousekeepingSettings, HousekeepingStatus},
    messages::Sweep,
};
use crate::{
    ports::{Expiry, StoreError},
    published::Published,
    supervision::{LifeLine, guarded, restart_after_panic},
};

/// After a start, which has more urgent things to do.
const FIRST_SWEEP: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
const NAME: &str = "housekeeping";
/// Far more than one batch takes; renewed for each.
const LEASE: Duration = Duration::from_secs(60);
/// A mail that could not be sent for so long would only confuse whoever gets it.
const KEEP_MAILS: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Owns the timer.
pub(super) struct HousekeepingActor {
    life: LifeLine,
    work: Work,
    /// Before work begins again after a restart.
    pause: Duration,
}

#[derive(Clone)]
struct Work {
    ports: HousekeepingPorts,
    settings: HousekeepingSettings,
    status: Arc<Published<HousekeepingStatus>>,
}

impl Work {
    /// Deletes batch after batch until nothing is left, unless another replica is at it.
    async fn sweep(self) {
        while let Ok(true) = self.batch().await.inspect_err(|error| self.failed(error)) {}
        self.ports.leases.release(NAME).await;
    }

    /// Whether there may be more.
    async fn batch(&self) -> Result<bool, StoreError> {
        let HousekeepingPorts { store, leases, clock } = &self.ports;
        if !leases.acquire(NAME, LEASE).await? {
            return Ok(false);
        }
        let now = clock.now();
        let audit_before = now.before(self.settings.audit_retention);
        let mails_before = now.before(KEEP_MAILS);
        let swept = store.sweep(Expiry { now, audit_before, mails_before }).await?;
        let mut status = *self.status.get();
        status.swept += swept;
        self.status.set(status);
        Ok(swept.total() > 0)
    }

    fn failed(&self, error: &StoreError) {
        tracing::warn!(%error, "what has expired could not be deleted");
        let status = *self.status.get();
        self.status.set(HousekeepingStatus { failures: status.failures + 1, ..status });
    }
}

impl HousekeepingActor {
    pub(super) fn new(
        life: LifeLine,
        ports: HousekeepingPorts,
        settings: HousekeepingSettings,
        status: Arc<Published<HousekeepingStatus>>,
    ) -> Self {
        Self { life, work: Work { ports, settings, status }, pause: Duration::ZERO }
    }
}

impl Actor for HousekeepingActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.notify_later(Sweep, FIRST_SWEEP + self.pause);
    }
}

impl Supervised for HousekeepingActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.pause = self.life.restarted();
    }
}

impl Handler<Sweep> for HousekeepingActor {
    type Result = ();

    fn handle(&mut self, _: Sweep, context: &mut Context<Self>) {
        let work = guarded(self.work.clone().sweep());
        context.spawn(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                return restart_after_panic(context);
            }
            context.notify_later(Sweep, SWEEP_EVERY);
        }));
    }
}

crate::injectable!(HousekeepingActor);
