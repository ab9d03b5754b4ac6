//! What stays in the streams, and what comes again on request.

use std::time::Duration;

use async_nats::jetstream;
use tokio::time::timeout;
use watchme::adapters::bus::{Nats, NatsBus};
use watchme_actors::{
    domain::{UserId, partition_of},
    ports::{BusError, BusMessage, DeadLetters, EventBus},
};

use crate::{
    bus_jetstream::{message, published, take},
    support::nats::Installation,
};

fn of_kind(kind: &str, user: UserId, number: u32) -> BusMessage {
    BusMessage { kind: kind.to_owned(), ..message(user, number) }
}

/// Two users of one partition.
fn neighbours() -> (UserId, UserId) {
    let user = UserId::generate();
    loop {
        let other = UserId::generate();
        if partition_of(other) == partition_of(user) {
            return (user, other);
        }
    }
}

/// The subjects in a stream with how many messages each has.
async fn subjects(installation: &Installation, stream: String) -> Vec<(String, usize)> {
    use futures_util::TryStreamExt;
    let context = jetstream::new(installation.raw().await);
    let stream = context.get_stream(stream).await.unwrap();
    let info = stream.info_with_subjects(">").await.unwrap();
    let mut all: Vec<(String, usize)> = info.try_collect().await.unwrap();
    all.sort();
    all
}

#[tokio::test]
async fn of_an_erased_user_only_the_announcement_stays() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let (user, other) = neighbours();
    let kinds = ["marked", "updated", "unmarked", "marked"];
    for (kind, number) in kinds.into_iter().zip(1..) {
        let both = [of_kind(kind, user, number), of_kind(kind, other, number)];
        published(&bus, &both).await;
    }
    bus.bury(&message(user, 5), "it is no good").await.unwrap();
    let letter = message(other, 5);
    bus.bury(&letter, "it is no good").await.unwrap();
    let erased = of_kind("erased", user, 6);
    published(&bus, std::slice::from_ref(&erased)).await;

    // Some are in hand meanwhile.
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let in_hand = timeout(Duration::from_secs(20), consumer.next(3)).await.unwrap().unwrap();
    bus.erase(user).await.unwrap();
    bus.erase(user).await.unwrap();
    drop(in_hand);

    let partition = partition_of(user);
    let of = |kind: &str, user| {
        installation.subject(&format!("watchme.watch.v1.{partition}.{kind}.{user}"))
    };
    let mut expected = vec![
        (of("erased", user), 1),
        (of("marked", other), 2),
        (of("unmarked", other), 1),
        (of("updated", other), 1),
    ];
    expected.sort();
    assert_eq!(subjects(&installation, installation.watch_stream()).await, expected);
    let letters = bus.list(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message_id, letter.event_id.to_string());
    let left = take(&mut consumer, 5).await;
    let left: Vec<_> = left.iter().map(|it| (it.user_id, it.kind.as_str())).collect();
    let mut expected: Vec<_> = kinds.map(|kind| (other, kind)).to_vec();
    expected.push((user, "erased"));
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_stream_that_is_missing_keeps_nothing_of_anybody() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    published(&bus, &[message(user, 1)]).await;
    let context = jetstream::new(installation.raw().await);
    for stream in [installation.watch_stream(), installation.dead_stream()] {
        context.delete_stream(stream).await.unwrap();
        bus.erase(user).await.unwrap();
    }
}

#[tokio::test]
async fn without_nats_nobody_is_erased() {
    let installation = Installation::on("nats://127.0.0.1:1");
    let bus = NatsBus::new(&Nats::connect(&installation.settings).await.unwrap());
    let outcome = bus.erase(UserId::generate()).await;
    assert!(matches!(outcome, Err(BusError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_is_published_again_on_request_comes_again_as_the_same_event() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let first = message(user, 1);
    let again = BusMessage { repetition: 1, ..first.clone() };
    let last = BusMessage { repetition: 2, ..first.clone() };
    published(&bus, std::slice::from_ref(&first)).await;
    // Each of them may be published more than once, like any other message.
    published(&bus, &[again.clone(), again]).await;
    published(&bus, &[last.clone(), last]).await;
    let end = message(user, 2);
    published(&bus, std::slice::from_ref(&end)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    assert_eq!(take(&mut consumer, 4).await, [first.clone(), first.clone(), first, end]);
}

#[tokio::test]
async fn poison_that_is_published_again_is_known_and_can_be_replayed() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let mut broken = message(user, 1);
    broken.payload = "{broken".to_owned();
    broken.repetition = 3;
    published(&bus, std::slice::from_ref(&broken)).await;
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let came = timeout(Duration::from_secs(20), consumer.next(1)).await.unwrap().unwrap().remove(0);
    assert!(came.message.unreadable.is_some());
    assert_eq!(came.message.event_id, broken.event_id);
    bus.bury(&came.message, "it is no JSON").await.unwrap();
    came.answer.acknowledge().await.unwrap();
    let letters = bus.list(0, 10).await.unwrap();
    assert_eq!(letters[0].message_id, format!("{}-again-3", broken.event_id));
    assert!(bus.replay(letters[0].id).await.unwrap());
    assert_eq!(take(&mut consumer, 1).await[0].event_id, broken.event_id);
}
