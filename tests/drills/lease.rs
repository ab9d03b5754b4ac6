//! Three replicas, whichever relays events killed again and again.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;
use watchme_actors::domain::{PARTITIONS, UserId, partition_of};

use crate::{
    load::{self, Load, Marks, Tally},
    replica::{Replica, bases, sum},
    size::Size,
    support::Client,
    world::{World, seed},
};

const TAKEOVER: Duration = Duration::from_secs(15);
const HELD: &str = "watchme_lease_held{name=\"outbox-relay\"}";
const RELAYED: &str = "watchme_outbox_relayed_total{outcome=\"published\"}";
const FOLDED: &str = "watchme_projection_partitions";

/// Others take over in time, the relay and every partition, and nothing is lost or doubled.
pub async fn holder_killed(size: Size) -> String {
    let kills = size.pick(2, 20);
    let world = World::engines().await;
    let mut replicas = world.replicas(3).await;
    let client = replicas[0].client();
    let mut quiet = Quiet::users(&client).await;
    let users = load::subscribers(&client, 8, "lease").await;
    let movies = load::movies(&replicas, &users[0]).await;
    let tally = Arc::<Tally>::default();
    let load = Load { bases: bases(&replicas), acts: u32::MAX, rate: Some(50), seed: seed() };
    let markers = load::start(&users, &movies, &load, &tally);

    let mut slowest = Times::default();
    let mut unwatched = movies.iter().copied();
    let mut next = || unwatched.next().expect("there are movies for every kill");
    for _ in 0..kills {
        let holder = holder(&replicas).await;
        let before = relayed(&replicas).await;
        // An event in the middle of its way, and one after the kill: then these users pause.
        quiet.mark(&replicas[holder], next()).await;
        replicas[holder].kill();
        let killed = Instant::now();
        let others: Vec<usize> = (0..replicas.len()).filter(|it| *it != holder).collect();
        quiet.mark(&replicas[others[0]], next()).await;
        let times = taken_over(&world, &replicas, &others, &before, &quiet, killed).await;
        slowest = slowest.max(times);
        replicas[holder].start();
        replicas[holder].ready().await;
    }
    let mut answered = load::end(markers, &tally).await;
    answered.extend(quiet.0);
    world.oracle().check(&answered, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{kills} holders killed; at most {:.1} s until another relays, {:.1} s until all partitions are held, {:.1} s until the reports of users who paused are right; {} acts answered: 0 lost, 0 double",
        slowest.relayed.as_secs_f64(),
        slowest.held.as_secs_f64(),
        slowest.folded.as_secs_f64(),
        tally.answered()
    )
}

/// A user of each partition who marks now and then: no later event of theirs brings what was lost
/// to light.
struct Quiet(Vec<(Client, Marks)>);

impl Quiet {
    async fn users(client: &Client) -> Self {
        let mut missing: BTreeSet<u8> = (0..PARTITIONS).collect();
        let mut users = Vec::new();
        let mut number = 0;
        while !missing.is_empty() {
            let user = load::subscriber(client, format!("quiet{number}")).await;
            number += 1;
            let id: UserId = user.id.parse().unwrap();
            if missing.remove(&partition_of(id)) {
                users.push((user, Marks::new()));
            }
        }
        Self(users)
    }

    async fn mark(&mut self, replica: &Replica, movie: u64) {
        for (user, marks) in &mut self.0 {
            let user = user.with_base(&replica.base());
            user.put(&format!("/watched/{movie}"), &json!({})).await.expect(201);
            marks.insert(movie, 1);
        }
    }

    fn ids(&self) -> Vec<String> {
        self.0.iter().map(|(user, _)| user.id.clone()).collect()
    }
}

/// Since a kill.
#[derive(Default)]
struct Times {
    relayed: Duration,
    held: Duration,
    folded: Duration,
}

impl Times {
    fn max(self, other: Self) -> Self {
        Self {
            relayed: self.relayed.max(other.relayed),
            held: self.held.max(other.held),
            folded: self.folded.max(other.folded),
        }
    }
}

/// Waits until the others do all that the dead one did.
async fn taken_over(
    world: &World,
    replicas: &[Replica],
    others: &[usize],
    before: &[f64],
    quiet: &Quiet,
    killed: Instant,
) -> Times {
    let (mut relay, mut held, mut folded) = (None, None, None);
    let mut behind = quiet.ids();
    loop {
        for other in others {
            if relay.is_none() && replicas[*other].metric(RELAYED).await > before[*other] {
                relay = Some(killed.elapsed());
            }
        }
        let partitions = sum(others.iter().map(|it| &replicas[*it]), FOLDED).await;
        if partitions as u8 == PARTITIONS {
            held.get_or_insert_with(|| killed.elapsed());
        } else {
            held = None;
        }
        behind = world.oracle().wrong(&behind).await;
        if behind.is_empty() {
            folded.get_or_insert_with(|| killed.elapsed());
        }
        if let (Some(relayed), Some(held), Some(folded)) = (relay, held, folded) {
            let times = Times { relayed, held, folded };
            for time in [times.relayed, times.held, times.folded] {
                assert!(time < TAKEOVER, "taken over after {time:?}");
            }
            return times;
        }
        assert!(
            killed.elapsed() < TAKEOVER,
            "{TAKEOVER:?} after the kill: relaying since {relay:?}, {partitions} partitions held, {} reports of users who paused behind",
            behind.len()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

async fn relayed(replicas: &[Replica]) -> Vec<f64> {
    let mut relayed = Vec::new();
    for replica in replicas {
        relayed.push(replica.metric(RELAYED).await);
    }
    relayed
}

/// The replica that holds the relay's lease now.
async fn holder(replicas: &[Replica]) -> usize {
    let began = Instant::now();
    loop {
        for (number, replica) in replicas.iter().enumerate() {
            if replica.metric(HELD).await > 0.0 {
                return number;
            }
        }
        assert!(began.elapsed() < TAKEOVER, "nobody holds the lease");
        sleep(Duration::from_millis(50)).await;
    }
}
