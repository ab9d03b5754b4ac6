//! Whether what Prometheus keeps grows with users, or with what they ask for.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use crate::{
    replica::Replica,
    size::Size,
    support::{Client, app::USER_PASSWORD},
    world::World,
};

const AT_ONCE: usize = 8;
/// Hashes that cost next to nothing: they are not what this is about.
const CHEAP: [(&str, &str); 2] =
    [("WATCHME_PASSWORD_MEMORY", "8"), ("WATCHME_PASSWORD_PASSES", "1")];

/// A tenth of the users comes, then all the others, each asking for addresses, methods and parameters
/// of their own: the second lot finds every series there.
pub async fn flat(size: Size) -> String {
    let users = size.pick(300, 10_000);
    let world = World::embedded().await;
    let mut replica = world.replicas_with(1, &CHEAP).await.remove(0);
    // The first reading of the metrics is in the second.
    series(&replica).await;
    visits(&replica, 0..users / 10).await;
    let before = series(&replica).await;
    visits(&replica, users / 10..users).await;
    let after = series(&replica).await;
    replica.terminate();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "more users make more series: {new:#?}");
    format!("{} series after {} users, {} after {users}", before.len(), users / 10, after.len())
}

async fn visits(replica: &Replica, users: std::ops::Range<u32>) {
    let client = replica.client();
    stream::iter(users).for_each_concurrent(AT_ONCE, |number| visit(client.clone(), number)).await;
}

/// What somebody does: right, wrong, and made up.
async fn visit(client: Client, number: u32) {
    let email = format!("visitor{number}@example.com");
    let account = json!({ "email": email, "password": USER_PASSWORD, "name": "Visitor" });
    client.post("/auth/register", &account).await.expect(201);
    let user = client.login(&email, USER_PASSWORD).await;
    user.get("/users/me").await.expect(200);
    user.get(&format!("/users/{}", user.id)).await.expect(200);
    user.get(&format!("/movies/{number}")).await;
    user.get(&format!("/watched/{number}?p{number}={number}")).await.expect(400);
    client.get(&format!("/users/{email}")).await.expect(401);
    client.get(&format!("/{number}/{}", user.id)).await.expect(404);
    client.get(&format!("//somewhere/{email}?x={number}")).await.expect(404);
    let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
    client.send(method, "/genres", &[], None).await.unwrap().expect(405);
}

/// Names with their labels.
async fn series(replica: &Replica) -> BTreeSet<String> {
    let text = replica.client().get("//metrics").await.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}
