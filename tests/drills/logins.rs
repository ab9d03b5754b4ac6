//! Everybody logs in at once, while others read.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    load,
    pressure::{Readers, memory, most_memory, reader},
    size::Size,
    support::app::USER_PASSWORD,
    world::World,
};

const P99: Duration = Duration::from_millis(150);
/// Who has no place is told so by then.
const REFUSED: Duration = Duration::from_secs(2);
/// MiB.
const GROWTH: f64 = 60.0;

/// 200 at once, each to an account of their own.
pub async fn at_once(size: Size) -> String {
    let (accounts, rounds) = size.pick((40, 2), (200, 5));
    let world = World::embedded().await;
    let mut replicas = world.replicas(1).await;
    let user = reader(&replicas).await;
    let client = replicas[0].client();
    load::subscribers(&client, accounts, "login").await;
    // What reading weighs by itself, and how long it takes.
    let alone = Readers::start(&user);
    sleep(Duration::from_secs(size.pick(1, 5))).await;
    let (_, alone) = alone.end().await;
    let before = memory(&replicas[0]).await;

    let (mut answered, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    let readers = Readers::start(&user);
    let logins = async {
        for _ in 0..rounds {
            let all = (0..accounts).map(|number| {
                let client = client.clone();
                // Tasks of their own, so that no reader waits for all of them to be sent.
                tokio::spawn(async move {
                    let email = load::email(&format!("login{number}"));
                    let body = json!({ "email": email, "password": USER_PASSWORD }).to_string();
                    let (json, began) = ([("content-type", "application/json")], Instant::now());
                    let body = Some(body.into_bytes());
                    let answer =
                        client.send(Method::POST, "/auth/login", &json, body).await.unwrap();
                    (answer, began.elapsed())
                })
            });
            for outcome in join_all(all).await {
                let (answer, time) = outcome.unwrap();
                if answer.status == 200 {
                    answered += 1;
                } else {
                    answer.problem(503, "overloaded");
                    assert!(!answer.header("retry-after").is_empty());
                    refused += 1;
                    slowest = slowest.max(time);
                }
            }
        }
    };
    let most = most_memory(&replicas[0], logins).await;
    let (reads, p99) = readers.end().await;
    replicas[0].terminate();
    assert!(answered >= rounds * 30, "{answered} logins were answered");
    assert!(slowest < REFUSED, "a login was refused after {slowest:?}");
    assert!(p99 < P99, "the 99th percentile of {reads} reads is {p99:?}, alone {alone:?}");
    assert!(most - before < GROWTH, "memory went from {before:.0} to {most:.0} MiB");
    format!(
        "{rounds} times {accounts} logins at once: {answered} done, {refused} refused within \
         {:.2} s; {reads} reads beside them, p99 {:.1} ms (alone {:.1} ms); memory {before:.0} to \
         {most:.0} MiB",
        slowest.as_secs_f64(),
        p99.as_secs_f64() * 1e3,
        alone.as_secs_f64() * 1e3,
    )
}
