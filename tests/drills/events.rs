//! Events that come too often, in the wrong order, or broken.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream::Stream};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use sqlx::Row;
use tokio::time::sleep;
use watchme_actors::domain::{UserId, partition_of};

use crate::{
    load::{self, Load, Tally},
    size::Size,
    support::Client,
    world::{Replica, World, bases, seed},
};

const CLIENTS: u32 = 12;

struct Scene {
    world: World,
    replicas: Vec<Replica>,
    answered: Vec<(Client, load::Marks)>,
    movies: Vec<u64>,
    context: jetstream::Context,
}

/// Two replicas, some users whose acts have come to their reports.
async fn scene(acts: u32) -> Scene {
    let mut world = World::engines().await;
    let replicas = world.replicas(2).await;
    let mut users = Vec::new();
    for number in 0..CLIENTS {
        users.push(load::subscriber(&replicas[0].client(), &format!("events{number}")).await);
    }
    let movies = load::movies(&users[0]).await;
    let tally = Tally::unbounded();
    let load = Load { bases: bases(&replicas), acts, rate: None, seed: seed() };
    let mut answered = Vec::new();
    for marker in load::start(&users, &movies, &load, &tally) {
        answered.push(marker.finish().await);
    }
    world.oracle().check(&answered, Duration::from_secs(60)).await;
    let url = world.on_engines().nats.url();
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    Scene { world, replicas, answered, movies, context }
}

impl Scene {
    async fn stream(&self, name: &str) -> Stream {
        self.context.get_stream(name).await.unwrap()
    }

    /// Publishes what no publisher would.
    async fn publish(&self, subject: &str, body: impl Into<bytes::Bytes>) {
        self.context.publish(subject.to_owned(), body.into()).await.unwrap().await.unwrap();
    }

    /// Waits until every consumer has dealt with everything.
    async fn consumed(&self) {
        let began = Instant::now();
        let stream = self.stream("WATCH").await;
        loop {
            let mut left = 0;
            for partition in 0..watchme_actors::domain::PARTITIONS {
                let name = format!("report-{partition}");
                let info = stream.consumer_info(&name).await.unwrap();
                left += info.num_pending + info.num_ack_pending as u64;
            }
            if left == 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{left} events are not consumed");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn buried(&self) -> u64 {
        self.stream("WATCH_DEAD").await.info().await.unwrap().state.messages
    }

    fn end(mut self) {
        for replica in &mut self.replicas {
            replica.terminate();
        }
    }
}

/// Every event five times, shuffled, without the ids by which the stream would know them again.
pub async fn five_times_shuffled(size: Size) -> String {
    let scene = scene(size.pick(300, 2_000)).await;
    let users: Vec<String> = scene.answered.iter().map(|(client, _)| client.id.clone()).collect();
    let before = scene.world.oracle().stored(&users).await;
    let mut stream = scene.stream("WATCH").await;
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut events = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        events.extend(std::iter::repeat_n((message.subject, message.payload), 5));
    }
    events.shuffle(&mut StdRng::seed_from_u64(seed()));
    for (subject, body) in &events {
        scene.publish(subject, body.clone()).await;
    }
    scene.consumed().await;
    let after = scene.world.oracle().stored(&users).await;
    assert_eq!(after, before, "the same reports");
    scene.world.oracle().check(&scene.answered, Duration::from_secs(5)).await;
    let text = format!("{last} events delivered five times more, shuffled: identical reports");
    scene.end();
    text
}

/// Poison is put aside in time, holds up nobody, and a replay repairs what can be repaired.
pub async fn poison(size: Size) -> String {
    let scene = scene(size.pick(100, 500)).await;
    let victim: UserId = scene.answered[0].0.id.parse().unwrap();
    let partition = partition_of(victim);
    let subject = format!("watchme.watch.v1.{partition}.marked.{victim}");
    let stream = scene.stream("WATCH").await;
    let sample = stream.get_last_raw_message_by_subject("watchme.watch.v1.>").await.unwrap();
    let sample = String::from_utf8(sample.payload.to_vec()).unwrap();
    let poisons = [
        "{ this is no JSON".to_owned(),
        String::new(),
        sample.replace("watchme.watch.v1.", "watchme.watch.v9."),
        sample.replace("\"specversion\":\"1.0\"", "\"specversion\":\"7.0\""),
    ];
    let buried = scene.buried().await;
    let began = Instant::now();
    for poison in &poisons {
        assert_ne!(poison, &sample, "it is changed");
        scene.publish(&subject, poison.clone()).await;
    }

    // Meanwhile everybody else's events come through in time, those of the same partition too.
    let mut slowest = Duration::ZERO;
    for round in 0..size.pick(2, 10) {
        for (client, _) in &scene.answered[1..] {
            let movie = scene.movies[round % scene.movies.len()];
            client.delete(&format!("/watched/{movie}")).await.expect(204);
            client.put(&format!("/watched/{movie}"), &serde_json::json!({})).await;
            let lag = scene
                .world
                .oracle()
                .reports_come_to_the_marks(std::slice::from_ref(&client.id), Duration::from_secs(5))
                .await;
            slowest = slowest.max(lag);
        }
    }
    assert!(slowest < Duration::from_secs(1), "others lag by {slowest:?}");
    let all = buried + poisons.len() as u64;
    while scene.buried().await < all {
        assert!(began.elapsed() < Duration::from_secs(5), "poison is not put aside in time");
        sleep(Duration::from_millis(20)).await;
    }
    let aside = began.elapsed();
    let listed = scene.world.command(&["events", "dead", "list"]).await;
    assert_eq!(listed.matches(&subject).count(), poisons.len(), "{listed}");

    let replayed = repair(&scene).await;
    let text = format!(
        "{} poisons put aside within {:.1} s, others' slowest lag {:.0} ms; {replayed}",
        poisons.len(),
        aside.as_secs_f64(),
        slowest.as_secs_f64() * 1e3
    );
    scene.end();
    text
}

/// A user whose marks could not be read: their event is put aside; when the marks are put right,
/// a replay brings the report back.
async fn repair(scene: &Scene) -> String {
    let (client, _) = &scene.answered[1];
    let user = client.id.clone();
    let movie = scene.movies[0];
    client.put(&format!("/watched/{movie}"), &serde_json::json!({})).await;
    let oracle = scene.world.oracle();
    oracle.reports_come_to_the_marks(std::slice::from_ref(&user), Duration::from_secs(5)).await;

    let damaged = sqlx::query("SELECT genres FROM marks WHERE user_id = ? AND movie_id = ?")
        .bind(user.clone())
        .bind(movie as i64)
        .fetch_one(&scene.world.sql)
        .await
        .unwrap();
    let genres: String = damaged.get(0);
    let set = |genres: String| {
        sqlx::query("UPDATE marks SET genres = ? WHERE user_id = ? AND movie_id = ?")
            .bind(genres)
            .bind(user.clone())
            .bind(movie as i64)
            .execute(&scene.world.sql)
    };
    set("damaged".to_owned()).await.unwrap();

    // An event far ahead asks for the marks, and they cannot be read.
    let id: UserId = user.parse().unwrap();
    let subject = format!("watchme.watch.v1.{}.marked.{user}", partition_of(id));
    let stream = scene.stream("WATCH").await;
    let theirs = format!("watchme.watch.v1.*.*.{user}");
    let last = stream.get_last_raw_message_by_subject(&theirs);
    let last = String::from_utf8(last.await.unwrap().payload.to_vec()).unwrap();
    let mut ahead: serde_json::Value = serde_json::from_str(&last).unwrap();
    ahead["id"] = uuid::Uuid::now_v7().to_string().into();
    ahead["data"]["id"] = ahead["id"].clone();
    ahead["data"]["seq"] = 1_000_000.into();
    let buried = scene.buried().await;
    scene.publish(&subject_of(&ahead, &subject), ahead.to_string()).await;
    let began = Instant::now();
    while scene.buried().await == buried {
        assert!(began.elapsed() < Duration::from_secs(5), "the event is not put aside in time");
        sleep(Duration::from_millis(20)).await;
    }

    set(genres).await.unwrap();
    scene.world.reports.erase(id).await.unwrap();
    let printed = scene.world.command(&["events", "dead", "replay", "--all"]).await;
    let began = Instant::now();
    let stored: HashMap<_, _> = loop {
        let stored = oracle.stored(std::slice::from_ref(&user)).await;
        if !stored.is_empty() {
            break stored;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "a replay repairs: {printed}");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(stored.len(), 1);
    oracle.reports_come_to_the_marks(&[user], Duration::from_secs(5)).await;
    format!("a replay repaired the report after {:.1} s", began.elapsed().as_secs_f64())
}

/// The subject that fits an event's own kind.
fn subject_of(event: &serde_json::Value, otherwise: &str) -> String {
    let kind = event["type"].as_str().and_then(|it| it.rsplit('.').next()).unwrap_or("marked");
    otherwise.replace(".marked.", &format!(".{kind}."))
}
