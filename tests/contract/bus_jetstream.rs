//! What JetStream adds to the contract of the bus.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use tokio::time::{Instant, timeout};
use watchme::adapters::bus::{Nats, NatsBus};
use watchme_actors::{
    domain::{EventId, PARTITIONS, Timestamp, TraceParent, UserId, partition_of},
    ports::{BusMessage, Consumer, EventBus},
};

use crate::support::nats::Installation;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn message(user: UserId, number: u32) -> BusMessage {
    BusMessage {
        event_id: EventId::generate(),
        user_id: user,
        kind: "marked".to_owned(),
        payload: format!("{{\"number\": {number}}}"),
        at: Timestamp::from_millis(1_772_366_400_000 + i64::from(number)),
        repetition: 0,
        traceparent: Some(TraceParent::generate()),
        unreadable: None,
    }
}

pub(crate) async fn published(bus: &NatsBus, messages: &[BusMessage]) {
    for outcome in bus.publish(messages.to_vec()).await {
        outcome.unwrap();
    }
}

/// Receives and acknowledges this many.
pub(crate) async fn take(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<BusMessage> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for delivery in timeout(PATIENCE, consumer.next(64)).await.unwrap().unwrap() {
            delivery.answer.acknowledge().await.unwrap();
            taken.push(delivery.message);
        }
    }
    taken
}

#[tokio::test]
async fn the_same_event_twice_is_delivered_once() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let (first, second) = (message(user, 1), message(user, 2));
    published(&bus, std::slice::from_ref(&first)).await;
    published(&bus, &[first.clone(), second.clone()]).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 2).await, [first, second]);
}

#[tokio::test]
async fn a_stream_that_is_deleted_under_way_is_made_again() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let first = message(user, 1);
    published(&bus, std::slice::from_ref(&first)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [first]);
    let waiting = tokio::spawn(async move {
        loop {
            match consumer.next(8).await {
                Ok(mut deliveries) => return deliveries.remove(0).message,
                // As the ReportActor does: try again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let context = jetstream::new(installation.raw().await);
    for stream in [installation.watch_stream(), installation.dead_stream()] {
        context.delete_stream(stream).await.unwrap();
    }
    let second = message(user, 2);
    published(&bus, std::slice::from_ref(&second)).await;
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), second);
    bus.check().await.unwrap();
    bus.bury(&second, "after the deletion").await.unwrap();
}

#[tokio::test]
async fn order_survives_deliveries_that_are_dropped() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let sent: Vec<_> = (0..300).map(|number| message(user, number)).collect();
    published(&bus, &sent).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let mut taken = Vec::new();
    let mut round = 0;
    while taken.len() < sent.len() {
        round += 1;
        let deliveries = timeout(PATIENCE, consumer.next(40)).await.unwrap().unwrap();
        for (index, delivery) in deliveries.into_iter().enumerate() {
            if index == round % 17 {
                break;
            }
            delivery.answer.acknowledge().await.unwrap();
            taken.push(delivery.message);
        }
        if round % 3 == 0 {
            drop(consumer);
            consumer = bus.consume(partition_of(user)).await.unwrap();
        }
    }
    assert_eq!(taken, sent);
}

#[tokio::test]
async fn what_is_dropped_comes_again_soon_also_on_another_replica() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let sent = message(user, 1);
    published(&bus, std::slice::from_ref(&sent)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let dropped = timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap();
    drop((dropped, consumer));
    let before = Instant::now();
    let other = NatsBus::new(&installation.connect().await);
    let mut consumer = other.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [sent]);
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
}

#[tokio::test]
async fn what_arrives_for_a_receiver_that_gave_up_is_not_lost() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    for number in 0..20 {
        assert!(timeout(Duration::from_millis(10), consumer.next(8)).await.is_err());
        let sent = message(user, number);
        published(&bus, std::slice::from_ref(&sent)).await;
        if number % 2 == 1 {
            drop(consumer);
            consumer = bus.consume(partition_of(user)).await.unwrap();
        }
        let before = Instant::now();
        assert_eq!(take(&mut consumer, 1).await, [sent]);
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    }
}

#[tokio::test]
async fn an_event_never_overtakes_one_of_its_user_that_failed() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let (user, other) = (UserId::generate(), UserId::generate());
    let mut refused = message(user, 1);
    // More than the stream takes.
    refused.payload = format!("\"{}\"", "x".repeat(300_000));
    let outcomes =
        bus.publish(vec![message(user, 0), refused, message(user, 2), message(other, 1)]).await;
    let taken: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false, false, true], "{outcomes:?}");
}

#[tokio::test]
async fn installations_on_one_server_do_not_meet() {
    let (Some(one), Some(other)) = (Installation::fresh(), Installation::fresh()) else { return };
    let (bus, elsewhere) =
        (NatsBus::new(&one.connect().await), NatsBus::new(&other.connect().await));
    let user = UserId::generate();
    let (here, there) = (message(user, 1), message(user, 2));
    published(&elsewhere, std::slice::from_ref(&there)).await;
    published(&bus, std::slice::from_ref(&here)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 1).await, [here]);
    assert!(timeout(Duration::from_millis(200), consumer.next(8)).await.is_err());
}

#[tokio::test]
async fn streams_and_consumers_are_as_declared() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    for partition in 0..PARTITIONS {
        drop(bus.consume(partition).await.unwrap());
    }
    let context = jetstream::new(installation.raw().await);
    for (file, name) in
        [("watch", installation.watch_stream()), ("watch_dead", installation.dead_stream())]
    {
        let path = format!("{}/nats/streams/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let declared = std::fs::read_to_string(path).unwrap();
        let declared: jetstream::stream::Config = serde_json::from_str(&declared).unwrap();
        let made = context.get_stream(&name).await.unwrap().cached_info().config.clone();
        assert_eq!(made.subjects, [installation.subject(&declared.subjects[0])]);
        assert_eq!(made.max_age, declared.max_age);
        assert_eq!(made.duplicate_window, declared.duplicate_window);
        assert_eq!(made.storage, declared.storage);
        assert_eq!(made.retention, declared.retention);
        assert_eq!(made.num_replicas, 1);
    }
    for partition in 0..PARTITIONS {
        let consumer: jetstream::consumer::PullConsumer = context
            .get_consumer_from_stream(format!("report-{partition}"), installation.watch_stream())
            .await
            .unwrap();
        let config = &consumer.cached_info().config;
        let filter = installation.subject(&format!("watchme.watch.v1.{partition}.>"));
        assert_eq!(config.filter_subject, filter);
        assert_eq!(config.max_deliver, -1);
        assert_eq!(config.ack_wait, Duration::from_secs(10));
        assert_eq!(config.max_ack_pending, 256);
    }
}

#[tokio::test]
async fn without_nats_everything_is_refused_at_once() {
    let installation = Installation::on("nats://127.0.0.1:1");
    let before = Instant::now();
    let nats = Nats::connect(&installation.settings).await.unwrap();
    let bus = NatsBus::new(&nats);
    let outcomes = bus.publish(vec![message(UserId::generate(), 1)]).await;
    assert!(outcomes[0].is_err() && bus.check().await.is_err());
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    assert!(bus.consume(0).await.is_err());
}

/// Figures for the record; the bound is wide of them.
#[tokio::test]
async fn a_thousand_events_go_through_quickly() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = Arc::new(NatsBus::new(&installation.connect().await));
    drop(bus.consume(0).await.unwrap());
    let users: Vec<_> = (0..100).map(|_| UserId::generate()).collect();
    let sent: Vec<_> = (0..1_000).map(|n| message(users[n as usize % 100], n)).collect();
    let before = Instant::now();
    published(&bus, &sent).await;
    let publishing = before.elapsed();
    let before = Instant::now();
    let consumers = (0..PARTITIONS).map(|partition| {
        let bus = Arc::clone(&bus);
        let expected = sent.iter().filter(|it| partition_of(it.user_id) == partition).count();
        tokio::spawn(async move {
            let mut consumer = bus.consume(partition).await.unwrap();
            take(&mut consumer, expected).await;
        })
    });
    for consumer in consumers.collect::<Vec<_>>() {
        consumer.await.unwrap();
    }
    let consuming = before.elapsed();
    eprintln!("1,000 events: published in {publishing:?}, consumed in {consuming:?}");
    assert!(publishing + consuming < Duration::from_secs(10));
}
