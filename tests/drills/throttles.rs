//! Limits and delays that hold however many come at once, whichever replica they come to.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    replica::Replica,
    size::Size,
    support::{
        Answer, Client,
        app::{ADMIN_EMAIL, USER_PASSWORD},
    },
    world::World,
};

const LIMIT: usize = 100;
/// Those that cost nothing, and the one that is the first to cost something.
const JUDGED: usize = 6;
/// Longer than the requests of one round take.
const DELAY: &str = "30s";

/// 400 registrations at once on a limit of 100, and 100 wrong logins at once to one account.
pub async fn exact(size: Size) -> String {
    let rounds = size.pick(1, 5);
    let world = World::engines_with(&[
        ("WATCHME_LIMIT_REGISTER", "100/1h"),
        ("WATCHME_LOGIN_FREE_FAILURES", "5"),
        ("WATCHME_LOGIN_DELAY", DELAY),
        ("WATCHME_LOGIN_DELAY_MAX", "15m"),
        // Each round comes from another client, which a proxy tells of.
        ("WATCHME_TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let mut replicas = world.replicas(2).await;
    for round in 1..=rounds {
        registrations(&replicas, round).await;
        logins(&replicas, round).await;
    }
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{rounds} times over two replicas: of {} registrations at once {LIMIT} let in, of 100 wrong logins at once {JUDGED} judged",
        4 * LIMIT
    )
}

async fn registrations(replicas: &[Replica], round: usize) {
    let address = format!("203.0.113.{round}");
    let answers = at_once(replicas, 4 * LIMIT, "/auth/register", &address, |number| {
        let email = format!("round{round}number{number}@example.com");
        json!({ "email": email, "password": USER_PASSWORD, "name": "Throttled" })
    })
    .await;
    // More than can be hashed: of those that were let in, some are told that the service is busy.
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    let refused = refused(&answers);
    assert_eq!((made + busy, refused), (LIMIT, 3 * LIMIT), "{made} made, {busy} busy");
    assert!(made > 0);
}

async fn logins(replicas: &[Replica], round: usize) {
    let somebody = format!("guessed{round}@example.com");
    let whose = if round == 1 { ADMIN_EMAIL } else { somebody.as_str() };
    let answers = at_once(
        replicas,
        100,
        "/auth/login",
        "203.0.113.200",
        |number| json!({ "email": whose, "password": format!("guess {number}") }),
    )
    .await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!((judged, refused(&answers)), (JUDGED, 100 - JUDGED));
}

/// How many were refused for coming too often; insists that they were told until when.
fn refused(answers: &[Answer]) -> usize {
    let refused = answers.iter().filter(|answer| answer.status == 429);
    refused.inspect(|answer| assert!(!answer.header("retry-after").is_empty())).count()
}

/// Requests of one client, all at once, to the replicas in turn.
async fn at_once(
    replicas: &[Replica],
    number: usize,
    path: &str,
    from: &str,
    body: impl Fn(usize) -> Value,
) -> Vec<Answer> {
    let clients: Vec<Client> = replicas.iter().map(Replica::client).collect();
    let from = [("x-forwarded-for", from)];
    let requests = (0..number).map(|number| {
        let (client, body) = (&clients[number % clients.len()], body(number));
        async move { client.post_with(path, &from, &body).await }
    });
    let all = tokio::time::timeout(Duration::from_secs(20), join_all(requests));
    all.await.expect("all are answered before a delay ends")
}
