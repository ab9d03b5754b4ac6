//! Both layers of supervision, and the bounds on what an actor takes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, Arbiter, Context, Handler, Message, ResponseActFuture, Supervised,
    WrapFuture,
};
use watchme_actors::supervision::{
    ActorError, ActorRef, ActorSpec, InjectPanic, LifeLine, guarded, restart_after_panic,
};

/// Counts, and remembers how often it was built.
struct Counter {
    life: LifeLine,
    built: u32,
    count: u32,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.life.restarted();
    }
}

#[derive(Message)]
#[rtype(result = "(u32, u32)")]
struct Add;

impl Handler<Add> for Counter {
    type Result = ResponseActFuture<Self, (u32, u32)>;

    fn handle(&mut self, _: Add, _: &mut Context<Self>) -> Self::Result {
        self.count += 1;
        Box::pin(std::future::ready((self.built, self.count)).into_actor(self))
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Dawdle(Duration);

impl Handler<Dawdle> for Counter {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Dawdle(time): Dawdle, _: &mut Context<Self>) -> Self::Result {
        let work = guarded(tokio::time::sleep(time));
        Box::pin(work.into_actor(self).map(|outcome, _, context| {
            if outcome.is_err() {
                restart_after_panic(context);
            }
        }))
    }
}

watchme_actors::injectable!(Counter);

fn start(max_under_way: usize) -> ActorRef<Counter> {
    let built = Arc::new(AtomicU32::new(0));
    let spec = ActorSpec { name: "counter", max_under_way, deadline: Duration::from_secs(5) };
    ActorRef::start(&Arbiter::current(), spec, move |life| Counter {
        life,
        built: built.fetch_add(1, Ordering::Relaxed) + 1,
        count: 0,
    })
}

#[actix::test]
async fn a_panic_in_a_future_restarts_the_actor_and_keeps_its_state() {
    tokio::time::pause();
    let counter = start(8);
    assert_eq!(counter.call(Add).await, Ok((1, 1)));
    let outcome = counter.call(InjectPanic::InFuture).await;
    assert!(matches!(outcome, Ok(Err(ActorError::Restarting)) | Err(ActorError::Restarting)));
    assert_eq!(counter.call(Add).await, Ok((1, 2)), "the same actor goes on");
    let health = counter.health();
    assert_eq!((health.restarts, health.rebuilds, health.alive), (1, 0, true));
}

#[actix::test]
async fn a_panic_in_a_handler_is_made_good_by_the_watchdog() {
    tokio::time::pause();
    let counter = start(8);
    assert_eq!(counter.call(Add).await, Ok((1, 1)));
    assert_eq!(counter.call(InjectPanic::InHandler).await, Err(ActorError::Restarting));
    assert_eq!(
        counter.call(Add).await,
        Err(ActorError::Restarting),
        "dead until the back-off ends"
    );
    assert!(!counter.health().alive);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(counter.call(Add).await, Ok((2, 1)), "a new actor from the factory");
    let health = counter.health();
    assert_eq!((health.restarts, health.rebuilds, health.alive), (0, 1, true));
}

#[actix::test]
async fn an_actor_that_keeps_dying_is_rebuilt_less_and_less_often() {
    tokio::time::pause();
    let counter = start(8);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let died = tokio::time::Instant::now();
        let _ = counter.call(InjectPanic::InHandler).await;
        while counter.call(Add).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waits.push(died.elapsed());
    }
    assert!(waits[4] > 4 * waits[0], "{waits:?}");
    assert_eq!(counter.health().rebuilds, 5);
}

#[actix::test]
async fn more_requests_than_the_bound_are_refused_at_once() {
    tokio::time::pause();
    let counter = start(2);
    let slow = || {
        let counter = counter.clone();
        actix::spawn(async move { counter.call(Dawdle(Duration::from_secs(1))).await })
    };
    let (first, second) = (slow(), slow());
    tokio::task::yield_now().await;
    assert_eq!(counter.health().mailbox, 2);
    assert_eq!(counter.call(Add).await, Err(ActorError::Busy));
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(counter.call(Add).await, Ok((1, 1)));
    assert_eq!(counter.health().mailbox, 0);
}

#[actix::test]
async fn a_request_does_not_wait_longer_than_the_deadline() {
    tokio::time::pause();
    let counter = start(2);
    let began = tokio::time::Instant::now();
    assert_eq!(counter.call(Dawdle(Duration::from_secs(60))).await, Err(ActorError::TimedOut));
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(counter.call(Add).await, Ok((1, 1)));
}
