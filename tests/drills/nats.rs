//! NATS dead under load, and its store lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    load::{self, Load, Marker, Marks, Tally},
    replica::{Replica, bases},
    size::Size,
    support::{Client, proxy::Line},
    world::{World, seed},
};

const RATE: u32 = 100;
const CLIENTS: u32 = 16;
/// What waited while NATS was dead.
const DRAINED: Duration = Duration::from_secs(20);
/// Reports after JetStream's store was lost.
const REPAIRED: Duration = Duration::from_secs(60);
/// A mark in a report, when all is well.
const FOLDED: Duration = Duration::from_secs(2);

struct Scene {
    world: World,
    replicas: Vec<Replica>,
    movies: Vec<u64>,
    tally: Arc<Tally>,
    markers: Vec<Marker>,
    ids: Vec<String>,
}

/// Two replicas under a steady load.
async fn scene() -> Scene {
    let world = World::engines().await;
    let replicas = world.replicas(2).await;
    let users = load::subscribers(&replicas[0].client(), CLIENTS, "nats").await;
    let ids = users.iter().map(|user| user.id.clone()).collect();
    let movies = load::movies(&replicas, &users[0]).await;
    let tally = Arc::<Tally>::default();
    let load = Load { bases: bases(&replicas), acts: u32::MAX, rate: Some(RATE), seed: seed() };
    let markers = load::start(&users, &movies, &load, &tally);
    Scene { world, replicas, movies, tally, markers, ids }
}

impl Scene {
    async fn end_load(&mut self) -> Vec<(Client, Marks)> {
        load::end(std::mem::take(&mut self.markers), &self.tally).await
    }

    fn end(mut self) {
        for replica in &mut self.replicas {
            replica.terminate();
        }
    }
}

/// NATS is killed, and comes back: every write is answered, the backlog drains.
pub async fn dead(size: Size) -> String {
    let mut scene = scene().await;
    sleep(size.pick(Duration::from_secs(5), Duration::from_secs(20))).await;
    let before = scene.tally.take_p99();
    let answered_before = scene.tally.answered();

    let outage = size.pick(Duration::from_secs(8), Duration::from_secs(60));
    scene.world.on_engines().nats.kill().unwrap();
    sleep(outage).await;
    let during = scene.tally.take_p99();
    let answered = scene.tally.answered() - answered_before;
    let waiting = scene.world.backlog().await;
    assert!(waiting > 0, "without NATS events wait");
    let wanted = RATE * outage.as_secs() as u32 * 9 / 10;
    assert!(answered >= wanted, "{answered} of {wanted} writes were answered without NATS");

    scene.world.on_engines().nats.start().unwrap();
    let back = Instant::now();
    // While the load goes on, new events come and go: few are what is in hand.
    loop {
        let left = scene.world.backlog().await;
        if left <= i64::from(RATE) / 10 {
            break;
        }
        assert!(back.elapsed() < DRAINED, "{left} of {waiting} events wait {DRAINED:?} after");
        sleep(Duration::from_millis(50)).await;
    }
    let drained = back.elapsed();
    assert_eq!(scene.tally.refused(), 0, "no write was refused");
    // Acts are due by a timer that ticks once a millisecond, here and where the answer is awaited:
    // two milliseconds say nothing. A few seconds are too few acts for a percentile to mean anything.
    if size == Size::Full {
        let most = before.mul_f64(1.5) + Duration::from_millis(2);
        assert!(during < most, "p99 {during:?} without NATS, {before:?} with it");
    }
    let marks = scene.end_load().await;
    scene.world.oracle().check(&marks, Duration::from_secs(60)).await;
    scene.end();
    format!(
        "{answered} writes answered in {} s without NATS, 0 refused; {waiting} events drained {:.1} s after its return; p99 since they were due {:.1} ms before, {:.1} ms without",
        outage.as_secs(),
        drained.as_secs_f64(),
        before.as_secs_f64() * 1e3,
        during.as_secs_f64() * 1e3
    )
}

/// JetStream's store is deleted under load, with events in it that nobody has folded: every report
/// comes to what SQL says, and all is as before.
pub async fn store_lost(size: Size) -> String {
    let mut scene = scene().await;
    let here = scene.replicas[0].client();
    let quiet = load::subscribers(&here, 4, "quiet").await;
    let mut marks: Vec<(Client, Marks)> =
        quiet.into_iter().map(|user| (user, Marks::new())).collect();
    sleep(size.pick(Duration::from_secs(2), Duration::from_secs(15))).await;

    // Without documents nothing is folded, and events go on being published.
    scene.world.on_engines().mongodb_line.set(Line::Swallowed);
    sleep(Duration::from_secs(1)).await;
    for (user, marks) in &mut marks {
        // No later event of theirs will bring to light that this one was lost.
        user.put(&format!("/watched/{}", scene.movies[0]), &json!({})).await.expect(201);
        marks.insert(scene.movies[0], 1);
    }
    sleep(size.pick(Duration::from_secs(3), Duration::from_secs(10))).await;
    let nats = &mut scene.world.on_engines().nats;
    nats.kill().unwrap();
    nats.erase_data().unwrap();
    let gone = Instant::now();
    let quiet: Vec<String> = marks.iter().map(|(user, _)| user.id.clone()).collect();
    let oracle = scene.world.oracle();
    let lost_for_good = oracle.published_not_folded(&quiet).await;
    assert!(lost_for_good > 0, "an event was lost of users who pause");
    let lost = oracle.published_not_folded(&scene.ids).await + lost_for_good;
    scene.world.on_engines().nats.start().unwrap();
    scene.world.on_engines().mongodb_line.set(Line::Open);

    sleep(size.pick(Duration::from_secs(3), Duration::from_secs(15))).await;
    marks.extend(scene.end_load().await);
    scene.world.oracle().check(&marks, REPAIRED.saturating_sub(gone.elapsed())).await;
    let time = gone.elapsed();

    let bus = scene.world.bus().await;
    assert!(bus.is_whole().await, "stream and consumers are there again");
    let fresh = back_to_normal(&scene, &marks[0].0).await;
    let acts = scene.tally.answered();
    scene.end();
    format!(
        "{acts} acts answered; {lost} events lost with the store, {lost_for_good} of them of users who paused; all reports equal SQL {:.1} s after; a new mark folded in {:.0} ms",
        time.as_secs_f64(),
        fresh.as_secs_f64() * 1e3
    )
}

/// Nothing waits, and a new mark is folded in time on whichever replica it is set.
async fn back_to_normal(scene: &Scene, user: &Client) -> Duration {
    let waiting = Instant::now();
    while scene.world.backlog().await > 0 {
        assert!(waiting.elapsed() < Duration::from_secs(5), "events wait though nobody marks");
        sleep(Duration::from_millis(20)).await;
    }
    let mut slowest = Duration::ZERO;
    for (replica, movie) in scene.replicas.iter().zip(&scene.movies[1..]) {
        let user = user.with_base(&replica.base());
        user.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
        let oracle = scene.world.oracle();
        let ids = std::slice::from_ref(&user.id);
        slowest = slowest.max(oracle.reports_come_to_the_marks(ids, FOLDED).await);
    }
    assert!(slowest < FOLDED, "a new mark is folded after {slowest:?}");
    slowest
}
