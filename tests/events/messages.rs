//! Real messages, taken from a server, against the document.

use std::time::Duration;

use async_nats::{HeaderMap, Message, jetstream};
use futures_util::StreamExt;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use watchme::adapters::bus::{NatsBus, NatsChanges, NatsViews};
use watchme_actors::{
    domain::{PackageId, UserId, partition_of},
    ports::{Change, ChangeFeed, EventBus, ViewFeed},
};

use crate::{
    document::validators,
    samples,
    support::nats::{Installation, until},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn assert_valid(validator: &Validator, value: &Value) {
    let wrong: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
}

fn headers_of(headers: &HeaderMap) -> Value {
    let one = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
        (name.to_string(), Value::from(values[0].as_str()))
    };
    Value::Object(headers.iter().map(one).collect::<Map<_, _>>())
}

/// Everything in a stream: subject, headers, body.
async fn stored(installation: &Installation, stream: String) -> Vec<(String, Value, Vec<u8>)> {
    let context = jetstream::new(installation.raw().await);
    let mut stream = context.get_stream(stream).await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut all = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let headers = headers_of(&message.headers);
        all.push((message.subject.to_string(), headers, message.payload.to_vec()));
    }
    all
}

async fn one(subscriber: &mut async_nats::Subscriber) -> Message {
    timeout(PATIENCE, subscriber.next()).await.unwrap().unwrap()
}

/// The name of a kind's message in the document.
fn message_name(kind: &str) -> String {
    kind[..1].to_uppercase() + &kind[1..]
}

#[tokio::test]
async fn watch_events_of_every_kind_are_as_published() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let user = UserId::generate();
    let sent = samples::messages(user);
    assert!(bus.publish(sent.clone()).await.iter().all(Result::is_ok));
    let stored = stored(&installation, installation.watch_stream()).await;
    assert_eq!(stored.len(), sent.len());
    for ((subject, headers, body), sent) in stored.iter().zip(&sent) {
        let kind = &sent.kind;
        let expected = format!("watchme.watch.v1.{}.{kind}.{user}", partition_of(user));
        assert_eq!(*subject, installation.subject(&expected));
        let event: Value = serde_json::from_slice(body).unwrap();
        let (payload, header) = validators(&message_name(kind), true);
        assert_valid(&payload, &event);
        assert_valid(&header, headers);
        assert_eq!(headers["Nats-Msg-Id"], event["id"]);
        assert_eq!(headers.get("traceparent"), event.get("traceparent"));
        assert_eq!(event["data"], serde_json::from_str::<Value>(&sent.payload).unwrap());
        // Whoever closes nothing reads it as well.
        assert_valid(&validators(&message_name(kind), false).0, &event);
    }
}

/// Every way of taking one thing away from a value, or of making it something else.
fn altered(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let with = |other: Option<Value>| {
                    let mut copy = fields.clone();
                    match other {
                        Some(other) => copy.insert(name.clone(), other),
                        None => copy.remove(name),
                    };
                    Value::Object(copy)
                };
                // These two may be absent.
                if name != "traceparent" {
                    all.push(with(None));
                }
                all.extend(altered(field).into_iter().map(|other| with(Some(other))));
            }
        }
        Value::Array(_) => all.extend([json!("x"), json!([0]), json!(["18"]), json!([18, 18])]),
        Value::String(text) => {
            all.push(json!(7));
            // A title may be any text.
            if !text.contains(' ') {
                all.push(json!(format!("{text} ")));
            }
        }
        Value::Number(_) => all.extend([json!("7"), json!(0), json!(1.5)]),
        Value::Null => all.extend([json!(7), json!({})]),
        Value::Bool(_) => all.push(json!(7)),
    }
    all
}

#[tokio::test]
async fn a_message_that_is_altered_is_not_as_published() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let sent = samples::messages(UserId::generate());
    assert!(bus.publish(sent.clone()).await.iter().all(Result::is_ok));
    let mut tried = 0;
    for ((_, _, body), sent) in
        stored(&installation, installation.watch_stream()).await.iter().zip(&sent)
    {
        let (payload, _) = validators(&message_name(&sent.kind), false);
        let event: Value = serde_json::from_slice(body).unwrap();
        for wrong in altered(&event) {
            tried += 1;
            assert!(!payload.is_valid(&wrong), "this passes, and should not:\n{wrong:#}");
        }
        let (strict, _) = validators(&message_name(&sent.kind), true);
        for place in ["", "/data"] {
            let mut more = event.clone();
            more.pointer_mut(place).unwrap()["surprise"] = json!(1);
            assert!(!strict.is_valid(&more) && payload.is_valid(&more), "{place}");
        }
        for other in ["Marked", "Unmarked", "Updated", "Erased", "Viewed"] {
            if other != message_name(&sent.kind) {
                assert!(!validators(other, false).0.is_valid(&event), "{} as {other}", sent.kind);
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

#[tokio::test]
async fn dead_letters_are_as_published() {
    let Some(installation) = Installation::fresh() else { return };
    let bus = NatsBus::new(&installation.connect().await);
    let sent = samples::messages(UserId::generate());
    for message in &sent {
        bus.bury(message, "it was\nno good").await.unwrap();
    }
    let (payload, headers) = validators("Dead", true);
    for (subject, header, body) in stored(&installation, installation.dead_stream()).await {
        let partition = partition_of(sent[0].user_id);
        let expected = format!("watchme.dead.v1.{partition}.{}", sent[0].user_id);
        assert_eq!(subject, installation.subject(&expected));
        assert_valid(&headers, &header);
        assert_valid(&payload, &serde_json::from_slice(&body).unwrap());
        for name in ["Watchme-Reason", "Watchme-Subject", "Nats-Msg-Id"] {
            let mut without = header.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(!headers.is_valid(&without), "{name}");
        }
    }
}

#[tokio::test]
async fn views_are_as_published() {
    let Some(installation) = Installation::fresh() else { return };
    let nats = installation.connect().await;
    let client = installation.raw().await;
    let subject = installation.subject("watchme.movie.v1.viewed.550");
    let mut subscriber = client.subscribe(subject).await.unwrap();
    client.flush().await.unwrap();
    let views = NatsViews::start(&nats);
    // Another connection's subscription takes a moment.
    let mut waiting = tokio::spawn(async move { one(&mut subscriber).await });
    let message = loop {
        views.viewed(550.try_into().unwrap());
        if let Ok(message) = timeout(Duration::from_millis(20), &mut waiting).await {
            break message.unwrap();
        }
    };
    let (payload, headers) = validators("Viewed", true);
    let event: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_valid(&payload, &event);
    assert_valid(&headers, &headers_of(message.headers.as_ref().unwrap()));
    assert_eq!(event["data"], json!({"movieId": 550}));
    for wrong in altered(&event) {
        assert!(!payload.is_valid(&wrong), "this passes, and should not:\n{wrong:#}");
    }
}

#[tokio::test]
async fn what_replicas_tell_each_other_is_as_described() {
    let Some(installation) = Installation::fresh() else { return };
    let client = installation.raw().await;
    let subject = installation.subject("watchme.change.v1");
    let mut changes = client.subscribe(subject).await.unwrap();
    let every = installation.subject("watchme.heartbeat.v1.*");
    let mut heartbeats = client.subscribe(every).await.unwrap();
    client.flush().await.unwrap();
    let feed = NatsChanges::start(&installation.connect().await).await.unwrap();
    until("the feed is connected", || *feed.connected().borrow()).await;
    let told = [
        Change::Subscriptions(UserId::generate()),
        Change::Package(PackageId::generate()),
        Change::Account(UserId::generate()),
        Change::Genres,
        Change::Movie(550.try_into().unwrap()),
        Change::AllMovies,
    ];
    for change in told {
        feed.announce(change).await;
    }
    let (payload, _) = validators("Change", true);
    let mut heard = 0;
    while heard < told.len() {
        let announcement: Value = serde_json::from_slice(&one(&mut changes).await.payload).unwrap();
        assert_valid(&payload, &announcement);
        heard += announcement["changes"].as_array().unwrap().len();
    }
    assert!(
        !payload
            .is_valid(&json!({"replica": UserId::generate(), "changes": ["?"], "missed": false}))
    );
    let beat = one(&mut heartbeats).await;
    let beat = Value::from(std::str::from_utf8(&beat.payload).unwrap());
    assert_valid(&validators("Heartbeat", true).0, &beat);
}
