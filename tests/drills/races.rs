//! A package lowered for all on one replica while its subscribers mark on the other what only the
//! lowered genre permits.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use sqlx::Row;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    load::{self, Marks},
    size::Size,
    support::{Client, app::USER_PASSWORD},
    world::{World, seed},
};

const USERS: usize = 4;
/// Marks of one user in one race that are under way or done: far more than there is time for.
const MARKS: usize = 60;
/// A race is over by then.
const HANG: Duration = Duration::from_secs(10);
/// The lowering begins at most this long after the marking.
const HEAD_START: Duration = Duration::from_millis(20);
/// Of the demo catalogue: with the first alone no movie is permitted that has only the second.
const STAYS: i64 = 10402;
const GOES: i64 = 18;

/// No mark is set by a request that began when the lowering had been answered, and each mark that
/// was answered is there, and no other.
pub async fn lowered(size: Size) -> String {
    let races = size.pick(100, 1_000);
    let world = World::engines().await;
    let mut replicas = world.replicas(2).await;
    let admin = replicas[0].admin().await;
    let package = admin.make_package("Raced", &[STAYS, GOES]).await;
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(subscriber(&replicas[1].client(), number, &package).await);
    }
    load::catalogue_is_complete(&replicas).await;
    let path = format!("/movies?genreId={GOES}&excludeGenreId={STAYS}&pageSize={MARKS}");
    let movies: Vec<u64> =
        users[0].get(&path).await.data().iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(movies.len(), MARKS);
    let movies: Arc<[u64]> = movies.into();

    let mut rng = StdRng::seed_from_u64(seed());
    let mut version = 1;
    let (mut marked, mut refused, mut close) = (0, 0, 0);
    for _ in 0..races {
        let lowering = Arc::new(OnceLock::new());
        let runs: Vec<JoinHandle<Run>> = users
            .iter()
            .map(|user| tokio::spawn(run(user.clone(), movies.clone(), lowering.clone())))
            .collect();
        sleep(rng.random_range(Duration::ZERO..HEAD_START)).await;
        version = edit(&admin, &package, version, &[STAYS]).await;
        lowering.set(Instant::now()).expect("it is lowered once");
        let (mut before, mut during) = (0, 0);
        for ended in
            join_all(users.iter().zip(runs).map(|(user, run)| end(&world, user, run))).await
        {
            before += ended.marked.len();
            during += ended.refused_in_time;
        }
        marked += before;
        refused += during;
        close += u32::from(before > 0 && during > 0);
        version = edit(&admin, &package, version, &[STAYS, GOES]).await;
    }
    assert!(marked > 0 && close > 0, "{marked} marks, {close} races that were close");
    let unmarked: Vec<(Client, Marks)> =
        users.into_iter().map(|user| (user, Marks::new())).collect();
    world.oracle().check(&unmarked, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{races} lowerings against {USERS} users who mark: {marked} marks before, {refused} refused before the answer, all refused after it; {close} races were close"
    )
}

/// What became of one user's marks in one race.
struct Run {
    /// Ascending.
    marked: Vec<u64>,
    /// Refused although the lowering had not been answered yet.
    refused_in_time: usize,
}

/// Marks one movie after another, until one is refused that was asked for after the lowering.
async fn run(user: Client, movies: Arc<[u64]>, lowering: Arc<OnceLock<Instant>>) -> Run {
    let race = Instant::now();
    let mut run = Run { marked: Vec::new(), refused_in_time: 0 };
    let mut unmarked = movies.iter();
    let mut movie = unmarked.next().expect("there are movies");
    loop {
        let began = Instant::now();
        let answer = user.put(&format!("/watched/{movie}"), &json!({})).await;
        let is_after = lowering.get().is_some_and(|lowered| began > *lowered);
        match answer.status {
            201 => {
                assert!(!is_after, "a mark was begun after the lowering was answered");
                run.marked.push(*movie);
                movie = unmarked.next().expect("there are more movies than time");
            }
            _ => {
                answer.problem(403, "movie_not_entitled");
                if is_after {
                    run.marked.sort_unstable();
                    return run;
                }
                run.refused_in_time += 1;
            }
        }
        assert!(race.elapsed() < HANG, "the lowering is not answered");
    }
}

/// Compares what was answered with what is there, and takes it back for the next race.
async fn end(world: &World, user: &Client, run: JoinHandle<Run>) -> Run {
    let run = run.await.expect("nobody marks after the lowering");
    assert_eq!(stored(world, user).await, run.marked, "what was answered is what is there");
    for movie in &run.marked {
        user.delete(&format!("/watched/{movie}")).await.expect(204);
    }
    run
}

/// Its next version, for all; which one that is.
async fn edit(admin: &Client, package: &str, version: u64, genres: &[i64]) -> u64 {
    let body = json!({ "name": "Raced", "genreIds": genres, "applyTo": "all" });
    let path = format!("/packages/{package}");
    let tag = format!("\"{version}\"");
    let answer = admin.put_with(&path, &[("if-match", &tag)], &body).await;
    answer.expect(200)["version"].as_u64().expect("it has a version")
}

async fn subscriber(client: &Client, number: usize, package: &str) -> Client {
    let email = load::email(&format!("racer{number}"));
    let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Racer" });
    client.post("/auth/register", &body).await.expect(201);
    let user = client.login(&email, USER_PASSWORD).await;
    user.subscribe(package).await;
    user
}

/// The movies that a user has marked, ascending.
async fn stored(world: &World, user: &Client) -> Vec<u64> {
    sqlx::query("SELECT movie_id FROM marks WHERE user_id = ? ORDER BY movie_id")
        .bind(user.id.clone())
        .fetch_all(&world.sql)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<i64, _>(0) as u64)
        .collect()
}
