//! Three replicas, whichever holds the relay's lease killed again and again.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    load::{self, Load, Tally},
    size::Size,
    world::{Replica, World, bases, seed},
};

const TAKEOVER: Duration = Duration::from_secs(15);
const HELD: &str = "watchme_lease_held{name=\"outbox-relay\"}";

/// Another replica takes over in time, and nothing is lost or doubled.
pub async fn holder_killed(size: Size) -> String {
    let kills = size.pick(2, 20);
    let world = World::engines().await;
    let mut replicas = world.replicas(3).await;
    let mut users = Vec::new();
    for number in 0..8 {
        users.push(load::subscriber(&replicas[0].client(), &format!("lease{number}")).await);
    }
    let movies = load::movies(&users[0]).await;
    let tally = Tally::unbounded();
    let load = Load { bases: bases(&replicas), acts: u32::MAX, rate: Some(50), seed: seed() };
    let markers = load::start(&users, &movies, &load, &tally);

    let mut slowest = Duration::ZERO;
    for _ in 0..kills {
        let holder = holder(&replicas, None).await;
        sleep(Duration::from_millis(500)).await;
        replicas[holder].kill();
        let killed = Instant::now();
        let other = self::holder(&replicas, Some(holder)).await;
        // It holds the lease when it relays: what was waiting goes.
        let relayed =
            replicas[other].metric("watchme_outbox_relayed_total{outcome=\"published\"}").await;
        while replicas[other].metric("watchme_outbox_relayed_total{outcome=\"published\"}").await
            <= relayed
        {
            assert!(
                killed.elapsed() < TAKEOVER,
                "nobody relays {:?} after the kill",
                killed.elapsed()
            );
            sleep(Duration::from_millis(50)).await;
        }
        slowest = slowest.max(killed.elapsed());
        replicas[holder].start();
        replicas[holder].ready().await;
    }
    tally.stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for marker in markers {
        answered.push(marker.finish().await);
    }
    world.oracle().check(&answered, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{kills} holders killed, slowest takeover {:.1} s; {} acts answered: 0 lost, 0 double",
        slowest.as_secs_f64(),
        tally.answered()
    )
}

/// The replica that holds the relay's lease now.
async fn holder(replicas: &[Replica], dead: Option<usize>) -> usize {
    let began = Instant::now();
    loop {
        for (number, replica) in replicas.iter().enumerate() {
            if Some(number) != dead && replica.metric(HELD).await > 0.0 {
                return number;
            }
        }
        assert!(began.elapsed() < TAKEOVER, "nobody holds the lease");
        sleep(Duration::from_millis(50)).await;
    }
}
