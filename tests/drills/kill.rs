//! `kill -9` at random moments while sixteen clients mark, unmark and add plays: every act that was
//! answered is there once, every report equals a recount.

use std::{sync::atomic::Ordering, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use crate::{
    load::{self, Load, Tally},
    size::Size,
    world::{World, bases, seed},
};

const CLIENTS: u32 = 16;

/// Two replicas on engines, one of them killed at a time.
pub async fn on_engines(size: Size) -> String {
    let (kills, acts) = size.pick((10, 1_500), (100, 20_000));
    run(World::engines().await, 2, kills, acts).await
}

/// One process with its data folder.
pub async fn embedded(size: Size) -> String {
    let (kills, acts) = size.pick((50, 5_000), (100, 20_000));
    run(World::embedded().await, 1, kills, acts).await
}

async fn run(world: World, number: usize, kills: u32, acts: u32) -> String {
    let seed = seed();
    let mut replicas = world.replicas(number).await;
    let mut users = Vec::new();
    for number in 0..CLIENTS {
        users.push(load::subscriber(&replicas[0].client(), &format!("drill{number}")).await);
    }
    let movies = load::movies(&users[0]).await;
    let tally = Tally::unbounded();
    let load = Load { bases: bases(&replicas), acts, rate: None, seed };
    let each = acts / kills;
    tally.allowed.store(each, Ordering::Relaxed);
    let markers = load::start(&users, &movies, &load, &tally);

    let mut rng = StdRng::seed_from_u64(seed);
    for kill in 1..=kills {
        // Anywhere: while it starts, while it works, between two acts.
        sleep(Duration::from_millis(rng.random_range(20..700))).await;
        let victim = rng.random_range(0..replicas.len());
        replicas[victim].kill();
        replicas[victim].start();
        let allowed = if kill == kills { u32::MAX } else { each * (kill + 1) };
        tally.allowed.store(allowed, Ordering::Relaxed);
    }
    for replica in &replicas {
        replica.ready().await;
    }
    let mut answered = Vec::new();
    for marker in markers {
        answered.push(marker.finish().await);
    }
    let time = world.oracle().check(&answered, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{kills} kills, {} acts answered ({} sent again): 0 lost, 0 double; reports right after {:.1} s",
        tally.answered(),
        tally.refused.load(Ordering::Relaxed),
        time.as_secs_f64()
    )
}
