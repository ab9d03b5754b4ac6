//! A subscription cancelled on one replica is refused by the other, with NATS and without.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    size::Size,
    support::{
        Client,
        app::{ADMIN_EMAIL, ADMIN_PASSWORD, USER_PASSWORD},
    },
    world::{Replica, World},
};

/// As the issue and `docs/ARCHITECTURE.md` say.
const BOUND: Duration = Duration::from_secs(2);
/// Until a replica knows that it is cut off, and then the age beyond which it reads again.
const BOUND_WITHOUT_NATS: Duration = Duration::from_secs(5);

pub async fn elsewhere(size: Size) -> String {
    let rounds = size.pick(5, 50);
    let mut world = World::engines().await;
    let mut replicas = world.replicas(2).await;
    let with = rounds_of(&replicas, rounds, BOUND, "with").await;
    world.on_engines().nats.kill().unwrap();
    let without = rounds_of(&replicas, size.pick(3, 20), BOUND_WITHOUT_NATS, "without").await;
    world.on_engines().nats.start().unwrap();
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "refused elsewhere after {:.0} ms at most with NATS ({rounds} times), {:.0} ms without",
        with.as_secs_f64() * 1e3,
        without.as_secs_f64() * 1e3
    )
}

/// The slowest of some cancellations.
async fn rounds_of(replicas: &[Replica], rounds: u32, bound: Duration, name: &str) -> Duration {
    let (here, there) = (replicas[0].client(), replicas[1].client());
    let admin = here.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let genre = admin.get("/genres?pageSize=100").await.data()[0]["id"].as_i64().unwrap();
        let package = admin.make_package(&format!("Package {name} {round}"), &[genre]).await;
        let email = format!("cancelled-{name}{round}@example.com");
        let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Cancelled" });
        here.post("/auth/register", &body).await.expect(201);
        let user = here.login(&email, USER_PASSWORD).await;
        let subscription = user.subscribe(&package).await;
        let elsewhere = user.at(&there);
        let began = Instant::now();
        while is_refused(&elsewhere).await {
            assert!(began.elapsed() < bound, "a subscription counts everywhere");
            sleep(Duration::from_millis(5)).await;
        }
        user.delete(&format!("/subscriptions/{subscription}")).await.expect(204);
        let began = Instant::now();
        assert!(is_refused(&user).await, "the very next request here is refused");
        while !is_refused(&elsewhere).await {
            assert!(began.elapsed() < bound, "still permitted {:?} after", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

async fn is_refused(user: &Client) -> bool {
    user.get("/movies").await.data().is_empty()
}
