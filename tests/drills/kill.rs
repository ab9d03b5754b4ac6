//! `kill -9` at random moments while sixteen clients mark, unmark and add plays: every act that was
//! answered is there once, every report equals a recount.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use crate::{
    load::{self, Load, Tally},
    replica::bases,
    size::Size,
    world::{World, seed},
};

const CLIENTS: u32 = 16;
/// Until the next kill is due.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two replicas on engines, one of them killed at a time.
pub async fn on_engines(size: Size) -> String {
    let (kills, acts) = size.pick((6, 1_000), (100, 20_000));
    run(World::engines().await, 2, kills, acts).await
}

/// One process with its data folder.
pub async fn embedded(size: Size) -> String {
    let (kills, acts) = size.pick((12, 2_000), (100, 20_000));
    run(World::embedded().await, 1, kills, acts).await
}

async fn run(world: World, number: usize, kills: u32, acts: u32) -> String {
    let seed = seed();
    let mut replicas = world.replicas(number).await;
    let users = load::subscribers(&replicas[0].client(), CLIENTS, "drill").await;
    let movies = load::movies(&replicas, &users[0]).await;
    let tally = Arc::<Tally>::default();
    let load = Load { bases: bases(&replicas), acts, rate: None, seed };
    let markers = load::start(&users, &movies, &load, &tally);

    let mut rng = StdRng::seed_from_u64(seed);
    let each = acts / kills;
    let mut killed_at = 0;
    for kill in 1..=kills {
        // Somewhere within each share of the acts. What was killed last may still be starting: that
        // is a moment as good as any.
        let due = each * kill - rng.random_range(each / 8..each);
        let waiting = Instant::now();
        while tally.answered() < due {
            assert!(waiting.elapsed() < PATIENCE, "{due} acts are not answered in {PATIENCE:?}");
            sleep(Duration::from_millis(1)).await;
        }
        killed_at = tally.answered();
        let victim = rng.random_range(0..replicas.len());
        replicas[victim].kill();
        replicas[victim].start();
    }
    assert!(killed_at > acts * 4 / 5, "the last kill came after {killed_at} of {acts} acts");
    assert!(killed_at < acts, "the last kill came when all was done");
    for replica in &replicas {
        replica.ready().await;
    }
    let answered = load::finish(markers).await;
    let refused = tally.refused();
    assert!(refused > 0, "no act was hit by a kill");
    let time = world.oracle().check(&answered, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{kills} kills, the last after {killed_at} of {} acts answered, {refused} sent again: 0 lost, 0 double; reports right after {:.1} s",
        tally.answered(),
        time.as_secs_f64()
    )
}
