//! NATS killed, stopped and emptied: everything goes on by itself.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use watchme::adapters::bus::{Nats, NatsBus, NatsChanges};
use watchme_actors::{
    domain::{UserId, partition_of},
    ports::{Change, ChangeFeed, EventBus},
};

use crate::{
    bus_jetstream::{message, published, take},
    support::nats::{Installation, PrivateServer, until},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// How the connection of a feed becomes what is expected, within this time.
async fn becomes(feed: &NatsChanges, connected: bool, within: Duration) {
    let mut state = feed.connected();
    timeout(within, state.wait_for(|it| *it == connected)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let Some(mut server) = PrivateServer::new() else { return };
    let installation = Installation::on(&server.url());
    let nats = Nats::connect(&installation.settings).await.unwrap();
    let (bus, changes) = (NatsBus::new(&nats), NatsChanges::start(&nats).await.unwrap());
    assert!(!nats.is_connected() && !*changes.connected().borrow());
    server.start().await;
    becomes(&changes, true, PATIENCE).await;
    let user = UserId::generate();
    let sent = message(user, 1);
    published(&bus, std::slice::from_ref(&sent)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [sent]);
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again() {
    let Some(mut server) = PrivateServer::new() else { return };
    server.start().await;
    let installation = Installation::on(&server.url());
    let nats = installation.connect().await;
    let other = installation.connect().await;
    let bus = NatsBus::new(&nats);
    let changes = NatsChanges::start(&nats).await.unwrap();
    let elsewhere = NatsChanges::start(&other).await.unwrap();
    becomes(&changes, true, PATIENCE).await;
    becomes(&elsewhere, true, PATIENCE).await;
    let user = UserId::generate();
    let (first, second) = (message(user, 1), message(user, 2));
    published(&bus, std::slice::from_ref(&first)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let mut heard = elsewhere.subscribe();

    server.kill();
    becomes(&changes, false, Duration::from_secs(4)).await;
    becomes(&elsewhere, false, Duration::from_secs(4)).await;
    let before = Instant::now();
    assert!(bus.publish(vec![second.clone()]).await[0].is_err());
    assert!(bus.check().await.is_err());
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    // What cannot be told now is told later.
    let told = Change::Subscriptions(user);
    changes.announce(told).await;

    server.start().await;
    becomes(&changes, true, Duration::from_secs(5)).await;
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap(), told);
    published(&bus, std::slice::from_ref(&second)).await;
    assert_eq!(take(&mut consumer, 2).await, [first, second]);
}

#[tokio::test]
async fn a_store_that_was_deleted_is_made_again() {
    let Some(mut server) = PrivateServer::new() else { return };
    server.start().await;
    let installation = Installation::on(&server.url());
    let nats = installation.connect().await;
    let bus = NatsBus::new(&nats);
    let user = UserId::generate();
    published(&bus, &[message(user, 1)]).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    take(&mut consumer, 1).await;
    let waiting = tokio::spawn(async move {
        loop {
            match consumer.next(8).await {
                Ok(mut deliveries) => return deliveries.remove(0).message,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    server.kill();
    server.erase();
    server.start().await;
    until("NATS is connected again", || nats.is_connected()).await;
    let sent = message(user, 2);
    published(&bus, std::slice::from_ref(&sent)).await;
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), sent);
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_noticed() {
    let Some(mut server) = PrivateServer::new() else { return };
    server.start().await;
    let installation = Installation::on(&server.url());
    let nats = installation.connect().await;
    let bus = NatsBus::new(&nats);
    let changes = NatsChanges::start(&nats).await.unwrap();
    let elsewhere = NatsChanges::start(&installation.connect().await).await.unwrap();
    becomes(&changes, true, PATIENCE).await;
    becomes(&elsewhere, true, PATIENCE).await;
    let mut heard = elsewhere.subscribe();

    server.signal("-STOP");
    let before = Instant::now();
    // It is not known yet, so this goes out, and is lost.
    changes.announce(Change::Genres).await;
    assert!(bus.publish(vec![message(UserId::generate(), 1)]).await[0].is_err());
    assert!(before.elapsed() < Duration::from_secs(6), "{:?}", before.elapsed());
    becomes(&changes, false, Duration::from_secs(1)).await;
    server.kill();
    server.start().await;
    becomes(&changes, true, PATIENCE).await;
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap(), Change::Genres);
}
