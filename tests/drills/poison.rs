//! Events that can never be applied.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::Row;
use tokio::{task::JoinHandle, time::sleep};
use watchme_actors::domain::{UserId, partition_of};

use crate::{bus::Bus, events::Scene, load, size::Size, support::Client};

/// Until poison is put aside.
const ASIDE: Duration = Duration::from_secs(5);
/// From the answer to a mark to the report that has it.
const LAG: Duration = Duration::from_secs(1);

/// Poison is put aside in time, holds up nobody, and a replay repairs what can be repaired.
pub async fn put_aside(size: Size) -> String {
    let scene = Scene::after(size.pick(100, 500)).await;
    let victim: UserId = scene.answered[0].0.id.parse().unwrap();
    let others = others(&scene, partition_of(victim)).await;
    let subject = format!("watchme.watch.v1.{}.marked.{victim}", partition_of(victim));
    let stream = scene.bus.stream("WATCH").await;
    let sample = stream.get_last_raw_message_by_subject("watchme.watch.v1.>").await.unwrap();
    let sample = String::from_utf8(sample.payload.to_vec()).unwrap();
    let poisons = [
        "{ this is no JSON".to_owned(),
        String::new(),
        sample.replace("watchme.watch.v1.", "watchme.watch.v9."),
        sample.replace("\"specversion\":\"1.0\"", "\"specversion\":\"7.0\""),
    ];
    for poison in &poisons {
        assert_ne!(poison, &sample, "it is changed");
    }

    // As long as others mark, more of it comes, so that they always meet some.
    let mut slowest = (Duration::ZERO, Duration::ZERO);
    let mut published = 0;
    for round in 0..size.pick(2, 10) {
        let undertaker = Undertaker::watch(&scene.bus, poisons.len() as u64).await;
        for poison in &poisons {
            scene.bus.publish(&subject, poison.clone()).await;
            published += 1;
        }
        let replica = &scene.replicas[round % 2];
        for other in &others {
            let lag = lag(&scene, &other.with_base(&replica.base()), round).await;
            slowest.1 = slowest.1.max(lag);
        }
        slowest.0 = slowest.0.max(undertaker.finish().await);
    }
    let listed = scene.world.command(&["events", "dead", "list"]).await;
    assert_eq!(listed.matches(&subject).count(), published, "{listed}");

    let repaired = repair(&scene).await;
    let text = format!(
        "{published} poisons put aside within {:.0} ms, slowest lag of {} others {:.0} ms; a replay repaired a report in {:.0} ms",
        slowest.0.as_secs_f64() * 1e3,
        others.len(),
        slowest.1.as_secs_f64() * 1e3,
        repaired.as_secs_f64() * 1e3
    );
    scene.end();
    text
}

/// Some users, one of them in this partition.
async fn others(scene: &Scene, partition: u8) -> Vec<Client> {
    let mut others: Vec<Client> =
        scene.answered[1..].iter().take(5).map(|(client, _)| client.clone()).collect();
    for number in 0.. {
        let client = scene.replicas[0].client();
        let other = load::subscriber(&client, format!("neighbour{number}")).await;
        let id: UserId = other.id.parse().unwrap();
        if partition_of(id) == partition {
            others.insert(0, other);
            break;
        }
    }
    others
}

/// Marks; how long after the answer the report has it.
async fn lag(scene: &Scene, user: &Client, round: usize) -> Duration {
    let path = format!("/watched/{}", scene.movies[round]);
    user.delete(&path).await.expect(204);
    user.put(&path, &json!({})).await.expect(201);
    let answered = Instant::now();
    let ids = std::slice::from_ref(&user.id);
    scene.world.oracle().reports_come_to_the_marks(ids, ASIDE).await;
    let lag = answered.elapsed();
    assert!(lag < LAG, "another user lags by {lag:?}");
    lag
}

/// Notes when poison is put aside, whatever else goes on meanwhile.
struct Undertaker {
    began: Instant,
    work: JoinHandle<()>,
    millis: Arc<AtomicU64>,
}

impl Undertaker {
    async fn watch(bus: &Bus, expected: u64) -> Self {
        let all = bus.buried().await + expected;
        let (bus, began) = (bus.clone(), Instant::now());
        let millis = Arc::<AtomicU64>::default();
        let noted = Arc::clone(&millis);
        let work = tokio::spawn(async move {
            while bus.buried().await < all {
                assert!(began.elapsed() < ASIDE, "poison is not put aside in time");
                sleep(Duration::from_millis(10)).await;
            }
            noted.store(began.elapsed().as_millis() as u64, Ordering::Relaxed);
        });
        Self { began, work, millis }
    }

    async fn finish(self) -> Duration {
        self.work.await.expect("poison is put aside");
        let time = Duration::from_millis(self.millis.load(Ordering::Relaxed));
        assert!(time < ASIDE && time <= self.began.elapsed(), "put aside after {time:?}");
        time
    }
}

/// A user whose marks could not be read: their event is put aside; when the marks are put right,
/// a replay brings the report back.
async fn repair(scene: &Scene) -> Duration {
    let (client, _) = &scene.answered[6];
    let user = client.id.clone();
    let movie = scene.movies[0];
    let answer = client.put(&format!("/watched/{movie}"), &json!({})).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    let oracle = scene.world.oracle();
    oracle.reports_come_to_the_marks(std::slice::from_ref(&user), ASIDE).await;

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
    let stream = scene.bus.stream("WATCH").await;
    let theirs = format!("watchme.watch.v1.*.*.{user}");
    let last = stream.get_last_raw_message_by_subject(&theirs).await.unwrap();
    let mut ahead: Value = serde_json::from_slice(&last.payload).unwrap();
    ahead["id"] = uuid::Uuid::now_v7().to_string().into();
    ahead["data"]["id"] = ahead["id"].clone();
    ahead["data"]["seq"] = 1_000_000.into();
    let undertaker = Undertaker::watch(&scene.bus, 1).await;
    scene.bus.publish(&last.subject, ahead.to_string()).await;
    undertaker.finish().await;

    set(genres).await.unwrap();
    scene.world.reports.erase(id).await.unwrap();
    let printed = scene.world.command(&["events", "dead", "replay", "--all"]).await;
    let began = Instant::now();
    while oracle.stored(std::slice::from_ref(&user)).await.is_empty() {
        assert!(began.elapsed() < ASIDE, "a replay repairs: {printed}");
        sleep(Duration::from_millis(20)).await;
    }
    oracle.reports_come_to_the_marks(&[user], ASIDE).await;
    began.elapsed()
}
