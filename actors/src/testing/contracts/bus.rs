//! The contract of [`EventBus`].

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    domain::{EventId, PARTITIONS, Timestamp, TraceParent, UserId, partition_of},
    ports::{BusError, BusMessage, Delivery, EventBus},
    testing::BusPorts,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn message(user: UserId, number: u32) -> BusMessage {
    BusMessage {
        event_id: EventId::generate(),
        user_id: user,
        kind: "marked".to_owned(),
        payload: format!("{{\"number\":{number}}}"),
        at: Timestamp::from_millis(1_772_366_400_000 + i64::from(number)),
        repetition: 0,
        traceparent: Some(TraceParent::generate()),
        unreadable: None,
    }
}

/// Publishes as the relay does: what was not taken, again, until everything was.
fn publish(bus: &Arc<dyn EventBus>, messages: Vec<BusMessage>) -> tokio::task::JoinHandle<()> {
    let bus = Arc::clone(bus);
    tokio::spawn(async move {
        let mut left = messages;
        while !left.is_empty() {
            let outcomes = bus.publish(left.clone()).await;
            assert_eq!(outcomes.len(), left.len(), "an outcome for every message, in their order");
            let mut taken = outcomes.iter().map(Result::is_ok);
            left.retain(|_| !taken.next().unwrap_or_default());
        }
    })
}

async fn acknowledge(delivery: Delivery) -> BusMessage {
    delivery.answer.acknowledge().await.unwrap();
    delivery.message
}

/// A user's messages come as they were published, whole and in their order.
pub async fn messages_come_in_order(ports: &BusPorts) {
    let user = UserId::generate();
    let sent: Vec<_> = (0..200).map(|number| message(user, number)).collect();
    let mut consumer = ports.bus.consume(partition_of(user)).await.unwrap();
    let publishing = publish(&ports.bus, sent.clone());
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        let deliveries = timeout(PATIENCE, consumer.next(16)).await.unwrap().unwrap();
        assert!((1..=16).contains(&deliveries.len()));
        for delivery in deliveries {
            seen.push(acknowledge(delivery).await);
        }
    }
    assert_eq!(seen, sent);
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

/// Every user's messages go to the partition of that user and to no other.
pub async fn users_keep_to_their_partition(ports: &BusPorts) {
    let users: Vec<_> = (0..64).map(|_| UserId::generate()).collect();
    let sent: Vec<_> = users.iter().map(|user| message(*user, 1)).collect();
    let consumers = (0..PARTITIONS).map(|partition| {
        let bus = Arc::clone(&ports.bus);
        let expected = users.iter().filter(|user| partition_of(**user) == partition).count();
        tokio::spawn(async move {
            let mut consumer = bus.consume(partition).await.unwrap();
            let mut seen = 0;
            while seen < expected {
                for delivery in timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap() {
                    assert_eq!(partition_of(acknowledge(delivery).await.user_id), partition);
                    seen += 1;
                }
            }
        })
    });
    let consumers: Vec<_> = consumers.collect();
    timeout(PATIENCE, publish(&ports.bus, sent)).await.unwrap().unwrap();
    for consumer in consumers {
        consumer.await.unwrap();
    }
}

/// What was received and not acknowledged comes again, to whoever consumes then.
pub async fn what_is_dropped_comes_again(ports: &BusPorts) {
    let user = UserId::generate();
    let sent = message(user, 1);
    let publishing = publish(&ports.bus, vec![sent.clone()]);
    let mut first = ports.bus.consume(partition_of(user)).await.unwrap();
    let deliveries = timeout(PATIENCE, first.next(8)).await.unwrap().unwrap();
    assert_eq!(deliveries[0].message, sent);
    drop((deliveries, first));

    let mut second = ports.bus.consume(partition_of(user)).await.unwrap();
    let delivery = timeout(PATIENCE, second.next(8)).await.unwrap().unwrap().pop().unwrap();
    assert_eq!(acknowledge(delivery).await, sent);
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

/// A consumer waits for the first message.
pub async fn a_consumer_waits(ports: &BusPorts) {
    let user = UserId::generate();
    let mut consumer = ports.bus.consume(partition_of(user)).await.unwrap();
    assert!(timeout(Duration::from_millis(50), consumer.next(8)).await.is_err());
    let publishing = publish(&ports.bus, vec![message(user, 1)]);
    let delivery = timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap().pop().unwrap();
    acknowledge(delivery).await;
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

/// What can never be applied can be put aside; an event that the bus does not know is no reason
/// to stop either.
pub async fn poison_can_be_put_aside(ports: &BusPorts) {
    ports.bus.bury(&message(UserId::generate(), 1), "it is not JSON").await.unwrap();
}

/// An event that is published again on request comes again, although the bus has had it lately.
pub async fn a_repetition_comes_again(ports: &BusPorts) {
    let user = UserId::generate();
    let first = message(user, 1);
    let mut consumer = ports.bus.consume(partition_of(user)).await.unwrap();
    for repetition in 0..3 {
        let publishing = publish(&ports.bus, vec![BusMessage { repetition, ..first.clone() }]);
        let delivery = timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap().pop().unwrap();
        let seen = acknowledge(delivery).await;
        assert_eq!((seen.event_id, &seen.payload), (first.event_id, &first.payload));
        timeout(PATIENCE, publishing).await.unwrap().unwrap();
    }
}

/// Erasing a user takes nothing from anybody else, and not what is told of the user afterwards.
pub async fn erasing_takes_nothing_from_others(ports: &BusPorts) {
    let user = UserId::generate();
    let mut others = std::iter::repeat_with(UserId::generate);
    let other = others.find(|other| partition_of(*other) == partition_of(user)).unwrap();
    let mut consumer = ports.bus.consume(partition_of(user)).await.unwrap();
    let publishing = publish(&ports.bus, vec![message(user, 1)]);
    let delivery = timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap().pop().unwrap();
    acknowledge(delivery).await;
    timeout(PATIENCE, publishing).await.unwrap().unwrap();

    let erased = BusMessage { kind: "erased".to_owned(), ..message(user, 2) };
    let sent = vec![message(other, 1), erased];
    let publishing = publish(&ports.bus, sent.clone());
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        ports.bus.erase(user).await.unwrap();
        for delivery in timeout(PATIENCE, consumer.next(8)).await.unwrap().unwrap() {
            seen.push(acknowledge(delivery).await);
        }
        ports.bus.erase(user).await.unwrap();
    }
    seen.sort_by_key(|message| message.user_id == user);
    assert_eq!(seen, sent);
    timeout(PATIENCE, publishing).await.unwrap().unwrap();
}

/// Closing ends every consumer, and is told by the health check.
pub async fn closing_ends_consumers(ports: &BusPorts) {
    ports.bus.check().await.unwrap();
    let mut consumer = ports.bus.consume(0).await.unwrap();
    let waiting = tokio::spawn(async move { consumer.next(8).await.map(|all| all.len()) });
    ports.bus.close().await;
    let ended = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(ended, Err(BusError::Closed)), "{ended:?}");
    assert!(ports.bus.check().await.is_err());
}

/// Runs the suite over a bus: `bus_contract!(async function giving BusPorts)`.
#[macro_export]
macro_rules! bus_contract {
    ($make:path) => {
        $crate::contract_cases!(
            bus,
            $make,
            [
                messages_come_in_order,
                users_keep_to_their_partition,
                what_is_dropped_comes_again,
                a_consumer_waits,
                poison_can_be_put_aside,
                a_repetition_comes_again,
                erasing_takes_nothing_from_others,
                closing_ends_consumers,
            ]
        );
    };
}
