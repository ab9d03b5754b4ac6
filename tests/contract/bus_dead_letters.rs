//! What cannot be read or applied, on JetStream.

use std::time::Duration;

use async_nats::jetstream;
use serde_json::{Value, json};
use tokio::time::timeout;
use watchme::adapters::bus::NatsBus;
use watchme_actors::{
    domain::{EventId, UserId, partition_of},
    ports::{BusMessage, DeadLetters, EventBus},
};

use crate::{
    bus_jetstream::{message, published, take},
    support::nats::Installation,
};

/// Publishes a body as it is, with an identifier; gives the identifier.
async fn publish_raw(installation: &Installation, subject: &str, body: &[u8]) -> EventId {
    let id = EventId::generate();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id.to_string());
    jetstream::new(installation.raw().await)
        .publish_with_headers(installation.subject(subject), headers, body.to_vec().into())
        .await
        .unwrap()
        .await
        .unwrap();
    id
}

fn subject(user: UserId) -> String {
    format!("watchme.watch.v1.{}.marked.{user}", partition_of(user))
}

async fn one(bus: &NatsBus, user: UserId) -> BusMessage {
    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    take(&mut consumer, 1).await.remove(0)
}

fn envelope(user: UserId) -> Value {
    json!({
        "specversion": "1.0", "id": EventId::generate(), "source": "/watchme",
        "type": "watchme.watch.v1.marked", "subject": user, "time": "2026-11-20T06:00:00.000Z",
        "datacontenttype": "application/json", "data": {"seq": 1},
    })
}

#[tokio::test]
async fn what_cannot_be_read_says_why_and_keeps_what_came() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    drop(bus.consume(0).await.unwrap());
    let user = UserId::generate();
    let with = |field: &str, value: Value| {
        let mut event = envelope(user);
        event[field] = value;
        event.to_string().into_bytes()
    };
    let mut without_data = envelope(user);
    without_data.as_object_mut().unwrap().remove("data");
    let bodies: [(Vec<u8>, &str); 8] = [
        (b"{not json".to_vec(), "key must be a string"),
        (b"\xff\xfe".to_vec(), "expected value"),
        (with("specversion", "0.3".into()), "CloudEvents 0.3"),
        (with("type", "watchme.watch.v2.marked".into()), "watchme.watch.v2.marked"),
        (with("type", "watchme.watch.v1.erased".into()), "not that of its subject"),
        (with("subject", UserId::generate().to_string().into()), "another user"),
        (with("id", "seven".into()), "id is not a UUID"),
        (without_data.to_string().into_bytes(), "no data"),
    ];
    for (body, expected) in bodies {
        let id = publish_raw(&installation, &subject(user), &body).await;
        let read = one(&bus, user).await;
        assert!(read.unreadable.as_ref().is_some_and(|why| why.contains(expected)), "{read:?}");
        assert_eq!((read.event_id, read.user_id), (id, user));
        assert_eq!(read.payload, String::from_utf8_lossy(&body));
    }
    publish_raw(&installation, &subject(user), envelope(user).to_string().as_bytes()).await;
    let read = one(&bus, user).await;
    assert_eq!((read.unreadable, read.payload.as_str()), (None, "{\"seq\":1}"));
}

#[tokio::test]
async fn an_event_in_the_wrong_partition_is_not_folded() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    drop(bus.consume(0).await.unwrap());
    let user = UserId::generate();
    let wrong = (partition_of(user) + 1) % 8;
    let subject = format!("watchme.watch.v1.{wrong}.marked.{user}");
    publish_raw(&installation, &subject, envelope(user).to_string().as_bytes()).await;
    let mut consumer = bus.consume(wrong).await.unwrap();
    let read = take(&mut consumer, 1).await.remove(0);
    assert!(read.unreadable.unwrap().contains("partition"));
}

#[tokio::test]
async fn a_message_without_a_user_is_put_aside_by_itself() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    drop(bus.consume(0).await.unwrap());
    let user = UserId::generate();
    let nobody = format!("watchme.watch.v1.{}.marked.somebody", partition_of(user));
    publish_raw(&installation, &nobody, b"\x00\xff").await;
    let sent = message(user, 1);
    published(&bus, std::slice::from_ref(&sent)).await;
    assert_eq!(one(&bus, user).await, sent);
    let letters = bus.list(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].subject, installation.subject(&nobody));
    assert_eq!(letters[0].reason, "its subject names no user");
}

#[tokio::test]
async fn a_payload_that_is_no_json_reaches_whoever_puts_it_aside() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let mut broken = message(user, 1);
    broken.payload = "{broken".to_owned();
    published(&bus, std::slice::from_ref(&broken)).await;
    let read = one(&bus, user).await;
    assert!(read.unreadable.is_some());
    assert_eq!((read.event_id, read.payload), (broken.event_id, broken.payload));
}

#[tokio::test]
async fn what_is_buried_is_kept_as_it_came_and_can_be_replayed() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    drop(bus.consume(0).await.unwrap());
    let user = UserId::generate();
    let body = b"{\"odd\":   \xff }";
    let id = publish_raw(&installation, &subject(user), body).await;

    let mut consumer = bus.consume(partition_of(user)).await.unwrap();
    let delivery = timeout(Duration::from_secs(20), consumer.next(8)).await.unwrap().unwrap();
    let delivery = delivery.into_iter().next().unwrap();
    bus.bury(&delivery.message, "first line\nsecond line").await.unwrap();
    bus.bury(&delivery.message, "first line\nsecond line").await.unwrap();
    delivery.answer.acknowledge().await.unwrap();

    let letters = bus.list(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1, "burying twice makes one");
    let letter = &letters[0];
    assert_eq!(letter.reason, "first line second line");
    assert_eq!(letter.subject, installation.subject(&subject(user)));
    assert_eq!(letter.message_id, id.to_string());
    assert_eq!(letter.original, String::from_utf8_lossy(body));
    let stream = jetstream::new(installation.raw().await)
        .get_stream(installation.dead_stream())
        .await
        .unwrap();
    assert_eq!(stream.get_raw_message(letter.id).await.unwrap().payload[..], body[..]);

    assert!(bus.replay(letter.id).await.unwrap());
    assert!(bus.list(0, 10).await.unwrap().is_empty());
    assert!(!bus.replay(letter.id).await.unwrap(), "it is gone");

    // Replayed, it is poison still: it is put aside once more, as another letter.
    let delivery = timeout(Duration::from_secs(20), consumer.next(8)).await.unwrap().unwrap();
    let delivery = delivery.into_iter().next().unwrap();
    assert_eq!(delivery.message.event_id, id);
    bus.bury(&delivery.message, "again").await.unwrap();
    delivery.answer.acknowledge().await.unwrap();
    let letters = bus.list(letter.id, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "again");
}

#[tokio::test]
async fn dead_letters_are_listed_in_pages() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let sent: Vec<_> = (0..5).map(|number| message(UserId::generate(), number)).collect();
    for buried in &sent {
        bus.bury(buried, &"x".repeat(2_000)).await.unwrap();
    }
    let first = bus.list(0, 3).await.unwrap();
    let rest = bus.list(first[2].id, 3).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|it| it.message_id.clone()).collect();
    let expected: Vec<_> = sent.iter().map(|it| it.event_id.to_string()).collect();
    assert_eq!(ids, expected);
    assert_eq!(first[0].reason.len(), 500);
}
