//! The feed of views: of a single process, and over NATS.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::mpsc::Receiver, time::timeout};
use watchme::adapters::bus::{InProcessViews, NatsViews};
use watchme_actors::{domain::MovieId, ports::ViewFeed};

use crate::support::nats::{Installation, until};

const PATIENCE: Duration = Duration::from_secs(20);

fn movie(number: i64) -> MovieId {
    number.try_into().unwrap()
}

async fn received(receiver: &mut Receiver<MovieId>) -> MovieId {
    timeout(PATIENCE, receiver.recv()).await.unwrap().unwrap()
}

/// A subscription may take a moment to reach the server: views are lost until then.
async fn ready(feed: &dyn ViewFeed, receivers: &mut [&mut Receiver<MovieId>]) {
    for _ in 0..1_000 {
        feed.viewed(movie(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
        if receivers.iter_mut().any(|receiver| receiver.try_recv().is_ok()) {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for receiver in receivers {
        while receiver.try_recv().is_ok() {}
    }
}

async fn each_view_reaches_one_receiver(feed: Arc<dyn ViewFeed>) {
    let (mut one, mut other) = (feed.subscribe().await, feed.subscribe().await);
    ready(&*feed, &mut [&mut one, &mut other]).await;
    for number in 100..200 {
        feed.viewed(movie(number));
    }
    let mut seen = Vec::new();
    while seen.len() < 100 {
        tokio::select! {
            view = received(&mut one) => seen.push(view),
            view = received(&mut other) => seen.push(view),
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 100, "each of them once");
    assert!(one.try_recv().is_err() && other.try_recv().is_err());
}

#[tokio::test]
async fn in_process_each_view_reaches_one_receiver() {
    each_view_reaches_one_receiver(Arc::new(InProcessViews::default())).await;
}

#[tokio::test]
async fn nats_each_view_reaches_one_receiver() {
    let Some(installation) = Installation::fresh() else { return };
    let nats = installation.connect().await;
    each_view_reaches_one_receiver(Arc::new(NatsViews::start(&nats))).await;
}

#[tokio::test]
async fn views_that_nobody_takes_are_dropped_and_counted() {
    let views = InProcessViews::default();
    views.viewed(movie(1));
    assert_eq!(views.dropped(), 1);
    let mut receiver = views.subscribe().await;
    views.viewed(movie(2));
    assert_eq!(received(&mut receiver).await, movie(2));
    drop(receiver);
    views.viewed(movie(3));
    assert_eq!(views.dropped(), 2);
}

#[tokio::test]
async fn views_without_nats_are_dropped_at_once() {
    let installation = Installation::on("nats://127.0.0.1:1");
    let nats = watchme::adapters::bus::Nats::connect(&installation.settings).await.unwrap();
    let views = NatsViews::start(&nats);
    for number in 1..=10 {
        views.viewed(movie(number));
    }
    until("every view is dropped", || views.dropped() == 10).await;
}
