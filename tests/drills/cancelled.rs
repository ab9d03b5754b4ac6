//! A subscription cancelled on one replica is refused by the other, with NATS and without.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    replica::Replica,
    size::Size,
    support::{Client, app::USER_PASSWORD, proxy::Line},
    world::World,
};

/// What is wrong when a subscription is cancelled on A, and how soon B has to know, as
/// `docs/ARCHITECTURE.md` says.
struct Trouble {
    name: &'static str,
    line_of_a: Line,
    line_of_b: Line,
    bound: Duration,
}

/// Until B knows that nothing arrives, and then the age beyond which it reads again; with two
/// seconds for a machine that has more to do.
const B_ALONE: Duration = Duration::from_secs(5 + 2);
/// B cannot know that A is not heard: it trusts what it remembers for ten seconds, and one more for
/// the reading.
const A_ALONE: Duration = Duration::from_secs(10 + 1);

const TROUBLES: [Trouble; 5] = [
    Trouble {
        name: "with NATS",
        line_of_a: Line::Open,
        line_of_b: Line::Open,
        bound: Duration::from_secs(2),
    },
    Trouble { name: "A cut off", line_of_a: Line::Cut, line_of_b: Line::Open, bound: A_ALONE },
    Trouble { name: "A silent", line_of_a: Line::Swallowed, line_of_b: Line::Open, bound: A_ALONE },
    Trouble { name: "B cut off", line_of_a: Line::Open, line_of_b: Line::Cut, bound: B_ALONE },
    Trouble { name: "B silent", line_of_a: Line::Open, line_of_b: Line::Swallowed, bound: B_ALONE },
];
/// NATS is dead for everybody.
const DEAD: Duration = Duration::from_secs(5);

pub async fn elsewhere(size: Size) -> String {
    let mut world = World::engines().await;
    let mut replicas = world.replicas(2).await;
    let mut scene = Scene::of(&replicas).await;
    let mut text = String::from("refused elsewhere after at most");
    for Trouble { name, line_of_a, line_of_b, bound } in TROUBLES {
        let usual = line_of_a == Line::Open && line_of_b == Line::Open;
        let rounds = if usual { size.pick(5, 50) } else { size.pick(1, 5) };
        let mut slowest = Duration::ZERO;
        for _ in 0..rounds {
            let user = scene.subscriber().await;
            // The worst moment: B has just read it, and nobody knows yet what is wrong.
            replicas[0].nats_line().set(line_of_a);
            replicas[1].nats_line().set(line_of_b);
            slowest = slowest.max(user.cancel(bound).await);
            for replica in &replicas {
                replica.nats_line().set(Line::Open);
                replica.hears().await;
            }
        }
        let _ = write!(text, " {:.0} ms {name} ({rounds} times),", slowest.as_secs_f64() * 1e3);
    }
    let mut slowest = Duration::ZERO;
    let rounds = size.pick(2, 10);
    for round in 0..rounds {
        let user = scene.subscriber().await;
        if round == 0 {
            world.on_engines().nats.kill().unwrap();
        }
        slowest = slowest.max(user.cancel(DEAD).await);
    }
    world.on_engines().nats.start().unwrap();
    for replica in &mut replicas {
        replica.hears().await;
        replica.terminate();
    }
    let _ = write!(text, " {:.0} ms without NATS ({rounds} times)", slowest.as_secs_f64() * 1e3);
    text
}

struct Scene {
    a: Client,
    b: Client,
    package: String,
    users: u32,
}

/// Somebody with a subscription that both replicas know.
struct Subscriber {
    at_a: Client,
    at_b: Client,
    subscription: String,
}

impl Scene {
    async fn of(replicas: &[Replica]) -> Self {
        let admin = replicas[0].admin().await;
        let genre = admin.get("/genres?pageSize=100").await.data()[0]["id"].as_i64().unwrap();
        let package = admin.make_package("Cancelled", &[genre]).await;
        Self { a: replicas[0].client(), b: replicas[1].client(), package, users: 0 }
    }

    async fn subscriber(&mut self) -> Subscriber {
        self.users += 1;
        let email = format!("cancelled{}@example.com", self.users);
        let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Cancelled" });
        self.a.post("/auth/register", &body).await.expect(201);
        let at_a = self.a.login(&email, USER_PASSWORD).await;
        let subscription = at_a.subscribe(&self.package).await;
        let at_b = at_a.at(&self.b);
        let began = Instant::now();
        while is_refused(&at_b).await {
            assert!(began.elapsed() < DEAD, "a subscription counts everywhere");
            sleep(Duration::from_millis(5)).await;
        }
        Subscriber { at_a, at_b, subscription }
    }
}

impl Subscriber {
    /// Cancels on A; how long after the answer B refuses.
    async fn cancel(&self, bound: Duration) -> Duration {
        self.at_a.delete(&format!("/subscriptions/{}", self.subscription)).await.expect(204);
        let began = Instant::now();
        assert!(is_refused(&self.at_a).await, "the very next request here is refused");
        while !is_refused(&self.at_b).await {
            assert!(began.elapsed() < bound, "still permitted {:?} after", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }
}

async fn is_refused(user: &Client) -> bool {
    user.get("/movies").await.data().is_empty()
}
