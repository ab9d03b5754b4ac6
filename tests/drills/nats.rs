//! NATS dead under load, and its store lost.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    load::{self, Load, Marker, Tally},
    size::Size,
    support::Client,
    world::{Replica, World, bases, seed},
};

const RATE: u32 = 100;
const CLIENTS: u32 = 16;

struct Scene {
    world: World,
    replicas: Vec<Replica>,
    tally: std::sync::Arc<Tally>,
    markers: Vec<Marker>,
}

/// Two replicas under a steady load.
async fn scene() -> Scene {
    let world = World::engines().await;
    let replicas = world.replicas(2).await;
    let mut users: Vec<Client> = Vec::new();
    for number in 0..CLIENTS {
        users.push(load::subscriber(&replicas[0].client(), &format!("nats{number}")).await);
    }
    let movies = load::movies(&users[0]).await;
    let tally = Tally::unbounded();
    let load = Load { bases: bases(&replicas), acts: u32::MAX, rate: Some(RATE), seed: seed() };
    let markers = load::start(&users, &movies, &load, &tally);
    Scene { world, replicas, tally, markers }
}

impl Scene {
    async fn end_load(&mut self) -> Vec<(Client, load::Marks)> {
        self.tally.stop.store(true, Ordering::Relaxed);
        let mut answered = Vec::new();
        for marker in self.markers.drain(..) {
            answered.push(marker.finish().await);
        }
        answered
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
    while scene.world.backlog().await > i64::from(RATE) / 10 {
        assert!(back.elapsed() < Duration::from_secs(20), "the backlog is not drained");
        sleep(Duration::from_millis(50)).await;
    }
    let drained = back.elapsed();
    let refused = scene.tally.refused.load(Ordering::Relaxed);
    assert_eq!(refused, 0, "no write was refused");
    if size == Size::Full {
        let most = before.mul_f64(1.5) + Duration::from_millis(2);
        assert!(during < most, "p99 {during:?} without NATS, {before:?} with it");
    }
    let marks = scene.end_load().await;
    scene.world.oracle().check(&marks, Duration::from_secs(60)).await;
    scene.end();
    format!(
        "{answered} writes answered in {} s without NATS, 0 refused; {waiting} events drained {:.1} s after its return; p99 {:.1} ms before, {:.1} ms without",
        outage.as_secs(),
        drained.as_secs_f64(),
        before.as_secs_f64() * 1e3,
        during.as_secs_f64() * 1e3
    )
}

/// JetStream's store is deleted under load: every report comes to what SQL says.
pub async fn store_lost(size: Size) -> String {
    let mut scene = scene().await;
    sleep(size.pick(Duration::from_secs(3), Duration::from_secs(15))).await;
    let nats = &mut scene.world.on_engines().nats;
    nats.kill().unwrap();
    nats.erase_data().unwrap();
    nats.start().unwrap();
    let lost = Instant::now();
    sleep(size.pick(Duration::from_secs(3), Duration::from_secs(15))).await;
    let marks = scene.end_load().await;
    let left = Duration::from_secs(60).saturating_sub(lost.elapsed());
    scene.world.oracle().check(&marks, left).await;
    let time = lost.elapsed();
    let acts = scene.tally.answered();
    scene.end();
    format!(
        "{acts} acts answered; all reports equal SQL {:.1} s after the store was lost",
        time.as_secs_f64()
    )
}
