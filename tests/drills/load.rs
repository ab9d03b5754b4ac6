//! Clients that mark, unmark and add plays, each act again and again until it is answered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

use crate::{
    replica::Replica,
    support::{Client, app::USER_PASSWORD},
};

/// How long a client waits before it sends an act again whose connection broke.
const AGAIN: Duration = Duration::from_millis(20);
/// The same of an act that was refused: who cannot does not want to be asked all the time.
const AGAIN_AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// An act that is not answered for this long is a hang.
const HANG: Duration = Duration::from_secs(90);
/// Users that are made at once.
const AT_ONCE: usize = 4;
/// More than a mark takes would be refused.
const PLAYS: u32 = 20;

/// A user's marks: how many plays each marked movie has.
pub type Marks = BTreeMap<u64, u32>;

/// What all clients together have done.
#[derive(Default)]
pub struct Tally {
    /// Acts that were answered.
    pub answered: AtomicU32,
    /// Answers that were 503, and connections that broke.
    pub refused: AtomicU32,
    /// Clients end after the act in hand.
    pub stop: AtomicBool,
    /// How long each act took until it was answered: from when it was due, where acts have a rate, so
    /// that an act which waits for a slow one before it counts as slow too.
    pub times: Mutex<Vec<Duration>>,
}

impl Tally {
    /// Acts that were answered.
    pub fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Answers that were 503, and connections that broke.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes the times noted so far; their 99th percentile.
    pub fn take_p99(&self) -> Duration {
        let mut times = std::mem::take(&mut *self.times.lock().unwrap());
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// How the clients work.
#[derive(Clone)]
pub struct Load {
    /// Where the service answers: each client begins at another address, and changes when one
    /// fails it.
    pub bases: Vec<String>,
    /// Acts of all clients together; they end when so many were answered.
    pub acts: u32,
    /// Acts a second of all clients together; as many as go when `None`.
    pub rate: Option<u32>,
    /// Where chance begins.
    pub seed: u64,
}

/// A user with every package, who marks.
pub struct Marker {
    client: Client,
    work: JoinHandle<Marks>,
}

/// Ends the work; who has marked what, by what was answered.
pub async fn end(markers: Vec<Marker>, tally: &Tally) -> Vec<(Client, Marks)> {
    tally.stop.store(true, Ordering::Relaxed);
    finish(markers).await
}

/// Waits until the work has come to its end; who has marked what, by what was answered.
pub async fn finish(markers: Vec<Marker>) -> Vec<(Client, Marks)> {
    let mut answered = Vec::new();
    for marker in markers {
        let marks = marker.work.await.expect("the client works to its end");
        answered.push((marker.client, marks));
    }
    answered
}

/// The address of the user with this name.
pub fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// Makes users who subscribe to every package, with names that begin alike.
pub async fn subscribers(client: &Client, number: u32, name: &str) -> Vec<Client> {
    stream::iter(0..number)
        .map(|number| subscriber(client, format!("{name}{number}")))
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Makes a user who subscribes to every package.
pub async fn subscriber(client: &Client, name: String) -> Client {
    let email = email(&name);
    let body = json!({ "email": email, "password": USER_PASSWORD, "name": name });
    client.post("/auth/register", &body).await.expect(201);
    let user = client.login(&email, USER_PASSWORD).await;
    for package in user.get("/packages").await.data() {
        user.subscribe(package["id"].as_str().unwrap()).await;
    }
    user
}

/// Some movies that the subscriptions permit, once the catalogue is complete: until then a replica
/// has other work to do.
pub async fn movies(replicas: &[Replica], user: &Client) -> Vec<u64> {
    catalogue_is_complete(replicas).await;
    let found = user.get("/movies?pageSize=60").await.data();
    assert_eq!(found.len(), 60);
    found.iter().map(|movie| movie["id"].as_u64().unwrap()).collect()
}

/// Waits until the replica that fills the catalogue has done so; the others hear of that later.
pub async fn catalogue_is_complete(replicas: &[Replica]) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        for replica in replicas {
            if replica.health().await["catalogue"]["state"] == "ready" {
                return;
            }
        }
        assert!(Instant::now() < deadline, "the catalogue fills up");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sets the users to work.
pub fn start(users: &[Client], movies: &[u64], load: &Load, tally: &Arc<Tally>) -> Vec<Marker> {
    let pause = load.rate.map(|rate| Duration::from_secs(1) * users.len() as u32 / rate);
    users
        .iter()
        .enumerate()
        .map(|(number, user)| {
            let worker = Worker {
                user: user.clone(),
                movies: movies.to_vec(),
                load: load.clone(),
                base: number % load.bases.len(),
                pause,
                rng: StdRng::seed_from_u64(load.seed.wrapping_add(number as u64)),
                tally: Arc::clone(tally),
                marks: Marks::new(),
            };
            Marker { client: user.clone(), work: tokio::spawn(worker.work()) }
        })
        .collect()
}

enum Act {
    Mark,
    Unmark,
    Play(Uuid),
}

struct Worker {
    user: Client,
    movies: Vec<u64>,
    load: Load,
    base: usize,
    pause: Option<Duration>,
    rng: StdRng,
    tally: Arc<Tally>,
    marks: Marks,
}

impl Worker {
    async fn work(mut self) -> Marks {
        let mut due = tokio::time::Instant::now();
        loop {
            let answered = self.tally.answered();
            if answered >= self.load.acts || self.tally.stop.load(Ordering::Relaxed) {
                return self.marks;
            }
            match self.pause {
                Some(pause) => due += pause,
                None => due = tokio::time::Instant::now(),
            }
            tokio::time::sleep_until(due).await;
            let movie = self.movies[self.rng.random_range(0..self.movies.len())];
            let act = match self.marks.get(&movie) {
                None => Act::Mark,
                Some(plays) if *plays < PLAYS && self.rng.random_bool(0.5) => {
                    Act::Play(Uuid::from_u128(self.rng.random()))
                }
                Some(_) if self.rng.random_bool(0.2) => Act::Mark,
                Some(_) => Act::Unmark,
            };
            self.until_answered(movie, &act).await;
            self.tally.times.lock().unwrap().push(due.elapsed());
            match act {
                Act::Mark => {
                    self.marks.entry(movie).or_insert(1);
                }
                Act::Unmark => {
                    self.marks.remove(&movie);
                }
                Act::Play(_) => *self.marks.entry(movie).or_default() += 1,
            }
            self.tally.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn until_answered(&mut self, movie: u64, act: &Act) {
        let began = Instant::now();
        let path = format!("/watched/{movie}");
        loop {
            let user = self.user.with_base(&self.load.bases[self.base]);
            let (outcome, wanted): (_, &[u16]) = match act {
                Act::Mark => {
                    (user.send("PUT".parse().unwrap(), &path, &[], None).await, &[200, 201])
                }
                Act::Unmark => {
                    (user.send("DELETE".parse().unwrap(), &path, &[], None).await, &[204])
                }
                Act::Play(key) => {
                    let headers = [("idempotency-key", key.to_string())];
                    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                    let path = format!("{path}/plays");
                    (user.send("POST".parse().unwrap(), &path, &headers, None).await, &[201])
                }
            };
            let pause = match outcome {
                Ok(answer) if wanted.contains(&answer.status) => return,
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    AGAIN_AFTER_REFUSAL
                }
                Err(_broken) => AGAIN,
            };
            assert!(began.elapsed() < HANG, "no answer for {HANG:?}");
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            self.base = (self.base + 1) % self.load.bases.len();
            sleep(pause).await;
        }
    }
}
