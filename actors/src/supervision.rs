//! Keeping actors alive, bounded and answerable.
//!
//! actix's own `Supervisor` restarts an actor that stops, but not one that panics: its mailbox
//! closes for good. So there are two layers. [`guarded`] catches a panic in the future of a
//! handler, and the actor ends in a clean stop-restart that keeps its mailbox. A panic anywhere
//! else drops the actor; its [`LifeLine`] tells the watchdog, which builds a new one from the
//! factory after a back-off and swaps the address behind every [`ActorRef`].

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{
    Actor, Addr, ArbiterHandle, Context, Handler, MailboxError, Message, Supervised, Supervisor,
    dev::ToEnvelope,
};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use crate::backoff::Backoff;

/// An actor did not answer. Nobody is to blame but the moment: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// As many requests are under way as the actor takes.
    #[error("the actor has too many requests under way")]
    Busy,
    /// No answer within the actor's deadline.
    #[error("the actor did not answer in time")]
    TimedOut,
    /// It failed on this or another request and is being restarted.
    #[error("the actor is being restarted")]
    Restarting,
}

/// A future panicked; the panic's message is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

/// Runs a handler's future so that a panic in it becomes a value.
///
/// # Errors
/// [`Panicked`].
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// How an actor is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorHealth {
    /// As in logs and metrics.
    pub name: &'static str,
    /// Whether it can take messages.
    pub alive: bool,
    /// Requests that wait for it or are being answered.
    pub mailbox: u64,
    /// Stop-restarts after a panic that was caught.
    pub restarts: u64,
    /// Times it was built anew after it had died.
    pub rebuilds: u64,
}

#[derive(Debug)]
struct Vitals {
    name: &'static str,
    alive: AtomicBool,
    under_way: AtomicU64,
    restarts: AtomicU64,
    rebuilds: AtomicU64,
    died: Notify,
    /// Restarts in a row, and when the last one was.
    restart_backoff: Mutex<(Backoff, Option<Instant>)>,
}

/// Held by an actor as long as it lives; dropping it tells the watchdog.
#[derive(Debug)]
pub struct LifeLine(Arc<Vitals>);

impl LifeLine {
    /// Counts a stop-restart. Called from `Supervised::restarting`. How long to wait before work
    /// of the actor's own begins again: actix restarts at once, and a panic that comes every time
    /// would spin. Requests are answered meanwhile.
    pub fn restarted(&self) -> Duration {
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
        let mut restarts = self.0.restart_backoff.lock().unwrap_or_else(PoisonError::into_inner);
        if restarts.1.is_some_and(|last| last.elapsed() > STEADY) {
            restarts.0.reset();
        }
        restarts.1 = Some(Instant::now());
        let wait = restarts.0.after_failure();
        tracing::warn!(actor = self.0.name, ?wait, "the actor was restarted after a panic");
        wait
    }
}

impl Drop for LifeLine {
    fn drop(&mut self) {
        self.0.alive.store(false, Ordering::Relaxed);
        self.0.died.notify_one();
    }
}

/// What a supervised actor is called and how much it takes.
#[derive(Debug, Clone, Copy)]
pub struct ActorSpec {
    /// As in logs and metrics.
    pub name: &'static str,
    /// Requests under way beyond which more are refused with [`ActorError::Busy`].
    pub max_under_way: usize,
    /// How long a request may take before its sender is told [`ActorError::TimedOut`].
    pub deadline: Duration,
}

/// The way to a supervised actor, whichever incarnation is alive.
pub struct ActorRef<A: Actor>(Arc<Line<A>>);

struct Line<A: Actor> {
    spec: ActorSpec,
    address: ArcSwap<Addr<A>>,
    permits: Semaphore,
    vitals: Arc<Vitals>,
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> ActorRef<A>
where
    A: Supervised + Actor<Context = Context<A>>,
{
    /// Starts an actor on an arbiter, under both layers of supervision.
    pub fn start(
        arbiter: &ArbiterHandle,
        spec: ActorSpec,
        factory: impl Fn(LifeLine) -> A + Send + Sync + 'static,
    ) -> Self {
        let vitals = Arc::new(Vitals {
            name: spec.name,
            alive: AtomicBool::new(false),
            under_way: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            rebuilds: AtomicU64::new(0),
            died: Notify::new(),
            restart_backoff: Mutex::new((
                Backoff::new(Duration::from_millis(20), Duration::from_secs(30)),
                None,
            )),
        });
        let factory = Arc::new(factory);
        let address = build(arbiter, &factory, &vitals);
        let line = Arc::new(Line {
            spec,
            address: ArcSwap::from_pointee(address),
            permits: Semaphore::new(spec.max_under_way),
            vitals: Arc::clone(&vitals),
        });
        arbiter.spawn(watchdog(Arc::downgrade(&line), vitals, arbiter.clone(), factory));
        Self(line)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// Every [`ActorError`].
    pub async fn call<M>(&self, message: M) -> Result<M::Result, ActorError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let _permit = self.0.permits.try_acquire().map_err(|_| ActorError::Busy)?;
        self.call_always(message).await
    }

    /// The same, however many requests are under way: for what must not be refused and what only
    /// a few senders can send.
    ///
    /// # Errors
    /// `TimedOut`, `Restarting`.
    pub async fn call_always<M>(&self, message: M) -> Result<M::Result, ActorError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let line = &self.0;
        line.vitals.under_way.fetch_add(1, Ordering::Relaxed);
        let vitals = Arc::clone(&line.vitals);
        let _counted = OnDrop(move || {
            vitals.under_way.fetch_sub(1, Ordering::Relaxed);
        });
        let address = line.address.load_full();
        match tokio::time::timeout(line.spec.deadline, address.send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(MailboxError::Closed)) => Err(ActorError::Restarting),
            Ok(Err(MailboxError::Timeout)) | Err(_) => Err(ActorError::TimedOut),
        }
    }

    /// Sends a message and waits for nothing. It is lost while the actor is being built anew.
    pub fn tell<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        self.0.address.load().do_send(message);
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> ActorHealth {
        let vitals = &self.0.vitals;
        ActorHealth {
            name: vitals.name,
            alive: vitals.alive.load(Ordering::Relaxed),
            mailbox: vitals.under_way.load(Ordering::Relaxed),
            restarts: vitals.restarts.load(Ordering::Relaxed),
            rebuilds: vitals.rebuilds.load(Ordering::Relaxed),
        }
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn build<A>(
    arbiter: &ArbiterHandle,
    factory: &Arc<impl Fn(LifeLine) -> A + Send + Sync + 'static>,
    vitals: &Arc<Vitals>,
) -> Addr<A>
where
    A: Supervised + Actor<Context = Context<A>>,
{
    let factory = Arc::clone(factory);
    let vitals = Arc::clone(vitals);
    Supervisor::start_in_arbiter(arbiter, move |_| {
        vitals.alive.store(true, Ordering::Relaxed);
        factory(LifeLine(vitals))
    })
}

/// An actor that lived this long before it died has not been failing in a row.
const STEADY: Duration = Duration::from_secs(60);

async fn watchdog<A>(
    line: Weak<Line<A>>,
    vitals: Arc<Vitals>,
    arbiter: ArbiterHandle,
    factory: Arc<impl Fn(LifeLine) -> A + Send + Sync + 'static>,
) where
    A: Supervised + Actor<Context = Context<A>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    loop {
        let born = Instant::now();
        vitals.died.notified().await;
        if line.strong_count() == 0 {
            return;
        }
        if born.elapsed() > STEADY {
            backoff.reset();
        }
        let wait = backoff.after_failure();
        tracing::error!(actor = vitals.name, ?wait, "the actor died and will be built anew");
        tokio::time::sleep(wait).await;
        let Some(line) = line.upgrade() else { return };
        line.address.store(Arc::new(build(&arbiter, &factory, &vitals)));
        vitals.rebuilds.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends an actor whose work panicked in a stop that the supervisor turns into a restart.
pub fn restart_after_panic<A>(context: &mut Context<A>)
where
    A: Actor<Context = Context<A>>,
{
    actix::ActorContext::stop(context);
}

/// Makes an actor panic, so that tests can see it come back.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), ActorError>")]
pub enum InjectPanic {
    /// In the future of a handler: the first layer catches it.
    InFuture,
    /// In the handler itself: the actor dies and the watchdog rebuilds it.
    InHandler,
}

/// What every handle offers besides its actor's own requests; the handle's field is `actor`.
macro_rules! watched_over {
    ($handle:ty) => {
        impl $handle {
            /// How the actor is doing.
            #[must_use]
            pub fn health(&self) -> $crate::supervision::ActorHealth {
                self.actor.health()
            }

            /// Makes the actor panic.
            ///
            /// # Errors
            /// Always: the actor does not survive it.
            #[cfg(any(test, feature = "testing"))]
            pub async fn inject(
                &self,
                panic: $crate::supervision::InjectPanic,
            ) -> Result<(), $crate::supervision::ActorError> {
                self.actor.call(panic).await?
            }
        }
    };
}
pub(crate) use watched_over;

/// Lets tests inject panics into an actor.
#[macro_export]
#[doc(hidden)]
macro_rules! injectable {
    ($actor:ty) => {
        #[cfg(any(test, feature = "testing"))]
        impl actix::Handler<$crate::supervision::InjectPanic> for $actor {
            type Result =
                actix::ResponseActFuture<Self, Result<(), $crate::supervision::ActorError>>;

            #[allow(clippy::panic, reason = "this is what it is for")]
            fn handle(
                &mut self,
                message: $crate::supervision::InjectPanic,
                _: &mut Self::Context,
            ) -> Self::Result {
                use actix::{ActorFutureExt as _, WrapFuture as _};
                assert!(
                    message != $crate::supervision::InjectPanic::InHandler,
                    "injected into the handler"
                );
                let work =
                    $crate::supervision::guarded(async { panic!("injected into the future") });
                Box::pin(work.into_actor(self).map(|_: Result<(), _>, _, context| {
                    $crate::supervision::restart_after_panic(context);
                    Err($crate::supervision::ActorError::Restarting)
                }))
            }
        }
    };
}
