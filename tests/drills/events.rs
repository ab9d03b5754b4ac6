//! Events that come too often and in the wrong order; the scene of all drills that write events of
//! their own.

use std::{sync::Arc, time::Duration};

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    bus::Bus,
    load::{self, Load, Marks, Tally},
    replica::{Replica, bases, sum},
    size::Size,
    support::Client,
    world::{World, seed},
};

const CLIENTS: u32 = 12;
const COPIES: usize = 5;

/// Two replicas, some users whose acts have come to their reports.
pub struct Scene {
    pub world: World,
    pub replicas: Vec<Replica>,
    pub answered: Vec<(Client, Marks)>,
    pub movies: Vec<u64>,
    pub bus: Bus,
}

impl Scene {
    /// After so many acts.
    pub async fn after(acts: u32) -> Self {
        let mut world = World::engines().await;
        let replicas = world.replicas(2).await;
        let users = load::subscribers(&replicas[0].client(), CLIENTS, "events").await;
        let movies = load::movies(&replicas, &users[0]).await;
        let tally = Arc::<Tally>::default();
        let load = Load { bases: bases(&replicas), acts, rate: None, seed: seed() };
        let answered = load::finish(load::start(&users, &movies, &load, &tally)).await;
        world.oracle().check(&answered, Duration::from_secs(60)).await;
        let bus = world.bus().await;
        Self { world, replicas, answered, movies, bus }
    }

    /// Ends it in order.
    pub fn end(mut self) {
        for replica in &mut self.replicas {
            replica.terminate();
        }
    }

    /// How many events the replicas have met with this outcome.
    async fn met(&self, outcome: &str) -> f64 {
        let metric = format!("watchme_projection_events_total{{outcome=\"{outcome}\"}}");
        sum(&self.replicas, &metric).await
    }
}

/// Every event five times, shuffled, without the ids by which the stream would know them again, for
/// users of whom no report is stored any more: so that it matters what comes first.
pub async fn five_times_shuffled(size: Size) -> String {
    let scene = Scene::after(size.pick(300, 2_000)).await;
    let users: Vec<String> = scene.answered.iter().map(|(client, _)| client.id.clone()).collect();
    let mut stream = scene.bus.stream("WATCH").await;
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut events = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        events.extend(std::iter::repeat_n((message.subject, message.payload), COPIES));
    }
    events.shuffle(&mut StdRng::seed_from_u64(seed()));

    scene.bus.consumed().await;
    let before = scene.world.oracle().stored(&users).await;
    assert_eq!(before.len(), users.len(), "everybody has a report");
    let (gaps, duplicates) = (scene.met("gap").await, scene.met("duplicate").await);
    for user in before.keys() {
        scene.world.reports.erase(*user).await.unwrap();
    }
    scene.bus.publish_all(&events).await;
    scene.bus.consumed().await;
    let after = scene.world.oracle().stored(&users).await;
    assert_eq!(after, before, "the same reports");
    let (gaps, duplicates) =
        (scene.met("gap").await - gaps, scene.met("duplicate").await - duplicates);
    assert!(gaps > 0.0, "no event came before its turn");
    assert!(duplicates > 0.0, "no event came twice");
    scene.world.oracle().check(&scene.answered, Duration::from_secs(5)).await;
    let text = format!(
        "{last} events delivered five times more, shuffled, to empty reports ({gaps} gaps, {duplicates} duplicates): identical reports"
    );
    scene.end();
    text
}
