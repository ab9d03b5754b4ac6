//! Bodies that are far too large or far too deep.

use futures_util::future::join_all;
use reqwest::Method;

use crate::{
    pressure::{memory, most_memory},
    size::Size,
    support::{Answer, Client},
    world::World,
};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const LARGE: usize = 10 * 1024 * 1024;
const DEPTH: usize = 10_000;
/// MiB.
const GROWTH: f64 = 10.0;

/// 50 of 10 MB and as many that are 10,000 deep, all at once, to a route for everybody and to one for
/// the signed in.
pub async fn too_large_and_too_deep(size: Size) -> String {
    let (number, rounds) = size.pick((10, 1), (50, 3));
    let world = World::embedded().await;
    let mut replicas = world.replicas(1).await;
    let admin = replicas[0].admin().await;
    let deep = format!("{{\"email\":{}1{}}}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    // As many connections with bodies of a size that is taken, so that what is weighed is the rest.
    send(&admin, number, &vec![b' '; 60 * 1024]).await;
    let before = memory(&replicas[0]).await;
    let (mut large, mut nested) = (0, 0);
    let attack = async {
        for _ in 0..rounds {
            for answer in send(&admin, number, &vec![b'x'; LARGE]).await {
                answer.problem(413, "body_too_large");
                large += 1;
            }
            for answer in send(&admin, number, deep.as_bytes()).await {
                answer.problem(400, "malformed_json");
                nested += 1;
            }
        }
    };
    let most = most_memory(&replicas[0], attack).await;
    replicas[0].terminate();
    assert!(most - before < GROWTH, "memory went from {before:.1} to {most:.1} MiB");
    format!(
        "{large} bodies of 10 MB refused with 413, {nested} of depth {DEPTH} with 400; memory \
         {before:.1} to {most:.1} MiB"
    )
}

/// The same body again and again at once.
async fn send(client: &Client, number: usize, body: &[u8]) -> Vec<Answer> {
    let paths = ["/auth/login", "/packages"];
    let requests = (0..number).map(|number| {
        let path = paths[number % paths.len()];
        async move { client.send(Method::POST, path, &JSON, Some(body.to_vec())).await.unwrap() }
    });
    join_all(requests).await
}
