//! NATS killed, stopped and emptied: everything goes on by itself.

use std::time::Duration;

use tokio::{
    sync::broadcast,
    time::{Instant, timeout},
};
use watchme::adapters::bus::{Nats, NatsBus, NatsChanges};
use watchme_actors::{
    domain::{PackageId, UserId, partition_of},
    ports::{Change, ChangeFeed, EventBus},
};

use crate::{
    bus_jetstream::{message, published, take},
    support::{
        nats::{Installation, PrivateServer, until},
        proxy::{Line, Proxy},
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

/// How the connection of a feed becomes what is expected, within this time.
async fn becomes(feed: &NatsChanges, connected: bool, within: Duration) {
    let mut state = feed.connected();
    timeout(within, state.wait_for(|it| *it == connected)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let Some(mut server) = PrivateServer::start().await else { return };
    server.kill().await;
    let installation = Installation::on(server.url());
    let nats = Nats::connect(&installation.settings).await.unwrap();
    let (bus, changes) = (NatsBus::new(&nats), NatsChanges::start(&nats).await.unwrap());
    assert!(!nats.is_connected() && !*changes.connected().borrow());
    server.again().await;
    becomes(&changes, true, PATIENCE).await;
    let user = UserId::generate();
    let sent = message(user, 1);
    published(&bus, std::slice::from_ref(&sent)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [sent]);
}

#[tokio::test]
async fn a_server_that_was_killed_is_found_again() {
    let Some(mut server) = PrivateServer::start().await else { return };
    let installation = Installation::on(server.url());
    let nats = installation.connect().await;
    let bus = NatsBus::new(&nats);
    let changes = NatsChanges::start(&nats).await.unwrap();
    becomes(&changes, true, PATIENCE).await;
    let user = UserId::generate();
    let (first, second) = (message(user, 1), message(user, 2));
    published(&bus, std::slice::from_ref(&first)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();

    server.kill().await;
    becomes(&changes, false, Duration::from_secs(4)).await;
    let before = Instant::now();
    assert!(bus.publish(vec![second.clone()]).await[0].is_err());
    assert!(bus.check().await.is_err());
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());

    server.again().await;
    becomes(&changes, true, Duration::from_secs(5)).await;
    published(&bus, std::slice::from_ref(&second)).await;
    assert_eq!(take(&mut consumer, 2).await, [first, second]);
}

#[tokio::test]
async fn a_store_that_was_deleted_is_made_again() {
    let Some(mut server) = PrivateServer::start().await else { return };
    let installation = Installation::on(server.url());
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
    server.kill().await;
    server.erase().await;
    server.again().await;
    until("NATS is connected again", || nats.is_connected()).await;
    let sent = message(user, 2);
    published(&bus, std::slice::from_ref(&sent)).await;
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), sent);
}

/// A replica behind a proxy, and one that is always connected and listens.
struct Replicas {
    proxy: Proxy,
    nats: Nats,
    changes: NatsChanges,
    elsewhere: NatsChanges,
    heard: broadcast::Receiver<Change>,
    _installation: Installation,
}

async fn replicas() -> Option<Replicas> {
    let installation = Installation::fresh()?;
    let proxy = Proxy::before_url(&installation.settings.servers[0]).await;
    let nats = Nats::connect(&installation.by(&proxy)).await.unwrap();
    let changes = NatsChanges::start(&nats).await.unwrap();
    let elsewhere = NatsChanges::start(&installation.connect().await).await.unwrap();
    becomes(&changes, true, PATIENCE).await;
    becomes(&elsewhere, true, PATIENCE).await;
    let heard = elsewhere.subscribe();
    Some(Replicas { proxy, nats, changes, elsewhere, heard, _installation: installation })
}

impl Replicas {
    async fn heard(&mut self) -> Change {
        timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn replicas_hear_of_each_others_changes_at_once() {
    let Some(mut replicas) = replicas().await else { return };
    let change = Change::Subscriptions(UserId::generate());
    let mut own = replicas.changes.subscribe();
    let before = Instant::now();
    replicas.changes.announce(change).await;
    assert_eq!(own.try_recv(), Ok(change), "in its own process without NATS");
    assert_eq!(replicas.heard().await, change);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    replicas.elsewhere.announce(Change::Genres).await;
    assert_eq!(timeout(PATIENCE, own.recv()).await.unwrap().unwrap(), Change::Genres);
    assert!(own.try_recv().is_err(), "its own only once");
}

#[tokio::test]
async fn what_a_replica_could_not_tell_it_tells_later() {
    let Some(mut replicas) = replicas().await else { return };
    replicas.proxy.set(Line::Cut);
    becomes(&replicas.changes, false, Duration::from_secs(4)).await;
    let change = Change::Account(UserId::generate());
    replicas.changes.announce(change).await;
    replicas.proxy.set(Line::Open);
    becomes(&replicas.changes, true, Duration::from_secs(5)).await;
    assert_eq!(replicas.heard().await, change);
}

#[tokio::test]
async fn a_replica_that_has_too_much_to_tell_makes_the_others_forget_everything() {
    let Some(mut replicas) = replicas().await else { return };
    replicas.proxy.set(Line::Cut);
    becomes(&replicas.changes, false, Duration::from_secs(4)).await;
    for _ in 0..5_000 {
        replicas.changes.announce(Change::Account(UserId::generate())).await;
    }
    replicas.proxy.set(Line::Open);
    becomes(&replicas.elsewhere, false, PATIENCE).await;
    becomes(&replicas.elsewhere, true, Duration::from_secs(3)).await;
    assert!(replicas.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_noticed() {
    let Some(mut replicas) = replicas().await else { return };
    let bus = NatsBus::new(&replicas.nats);
    let user = UserId::generate();
    published(&bus, &[message(user, 1)]).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    take(&mut consumer, 1).await;

    replicas.proxy.set(Line::Swallowed);
    let before = Instant::now();
    // It is not known yet, so this goes out, and is lost.
    let change = Change::Package(PackageId::generate());
    replicas.changes.announce(change).await;
    becomes(&replicas.changes, false, Duration::from_secs(4)).await;
    let second = message(user, 2);
    assert!(bus.publish(vec![second.clone()]).await[0].is_err());
    assert!(before.elapsed() < Duration::from_millis(9_500), "{:?}", before.elapsed());
    until("the connection is given up", || !replicas.nats.is_connected()).await;
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());

    replicas.proxy.set(Line::Open);
    becomes(&replicas.changes, true, Duration::from_secs(5)).await;
    assert_eq!(replicas.heard().await, change, "it was sent again");
    published(&bus, std::slice::from_ref(&second)).await;
    assert_eq!(take(&mut consumer, 1).await, [second]);
}
