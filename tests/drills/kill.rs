//! `kill -9` fifty times at random moments while sixteen clients mark and unmark 5,000 times:
//! every mark that was answered is there, every report equals a recount, nothing counts twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sqlx::{Row, SqlitePool};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{
    Client,
    app::{ADMIN_EMAIL, ADMIN_PASSWORD, USER_PASSWORD},
    process::{Process, free_address, ready},
};

const CLIENTS: u32 = 16;
const ACTS: u32 = 5_000;
const KILLS: u32 = 50;
/// The whole drill, on a slow machine.
const LIMIT: Duration = Duration::from_secs(400);

#[tokio::test]
async fn nothing_that_was_answered_is_lost_or_counted_twice() {
    let began = Instant::now();
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let settings = [
        ("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL),
        ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("WATCHME_ACCESS_TOKEN_TTL", "1h"),
    ];
    let mut process = Process::start(folder.path(), &address, &settings);
    ready(&address, Duration::from_secs(30)).await;
    let client = Client::new(format!("http://{address}"));
    let mut users = Vec::new();
    for number in 0..CLIENTS {
        users.push(subscriber(&client, number).await);
    }
    let movies = movies(&users[0]).await;

    let done = Arc::new(AtomicU32::new(0));
    let allowed = Arc::new(AtomicU32::new(ACTS / KILLS));
    let work: Vec<_> = users
        .iter()
        .enumerate()
        .map(|(number, user)| {
            let rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
            tokio::spawn(act(
                user.clone(),
                movies.clone(),
                rng,
                Arc::clone(&done),
                Arc::clone(&allowed),
            ))
        })
        .collect();

    let mut rng = StdRng::seed_from_u64(seed);
    for kill in 1..=KILLS {
        // Anywhere: while it starts, while it works, between two acts.
        sleep(Duration::from_millis(rng.random_range(20..700))).await;
        process.kill();
        allowed.store(ACTS / KILLS * (kill + 1), Ordering::Relaxed);
        process = Process::start(folder.path(), &address, &settings);
    }
    ready(&address, Duration::from_secs(30)).await;
    let mut expected = BTreeMap::new();
    for (user, work) in users.iter().zip(work) {
        expected.insert(user.id.clone(), work.await.unwrap());
    }
    assert!(done.load(Ordering::Relaxed) >= ACTS);

    for user in &users {
        let marked = marked(user).await;
        assert_eq!(marked, expected[&user.id], "what was answered is there, and nothing else");
    }
    let mut reports = BTreeMap::new();
    for user in &users {
        reports.insert(user.id.clone(), user.get("/reports/me").await.expect(200));
    }
    let (time, clean) = process.terminate();
    assert!(clean && time < Duration::from_secs(25), "{time:?}");
    let recount = Recount::of(folder.path(), &users).await;
    for user in &users {
        recount.check(&user.id, &expected[&user.id], &reports[&user.id]).await;
    }
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    println!("{KILLS} kills, {} acts, {:?}", done.load(Ordering::Relaxed), began.elapsed());
}

async fn subscriber(client: &Client, number: u32) -> Client {
    let email = format!("drill{number}@example.com");
    let body =
        json!({ "email": email, "password": USER_PASSWORD, "name": format!("Drill {number}") });
    client.post("/auth/register", &body).await.expect(201);
    let user = client.login(&email, USER_PASSWORD).await;
    for package in user.get("/packages").await.data() {
        user.subscribe(package["id"].as_str().unwrap()).await;
    }
    user
}

/// Some movies that the subscriptions permit.
async fn movies(user: &Client) -> Vec<u64> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = user.get("/movies?pageSize=60").await.data();
        if found.len() == 60 {
            return found.iter().map(|movie| movie["id"].as_u64().unwrap()).collect();
        }
        assert!(Instant::now() < deadline, "the catalogue fills up");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Marks and unmarks at random, each until it is answered; what is marked in the end.
async fn act(
    user: Client,
    movies: Vec<u64>,
    mut rng: StdRng,
    done: Arc<AtomicU32>,
    allowed: Arc<AtomicU32>,
) -> BTreeSet<u64> {
    let mut marked = BTreeSet::new();
    while done.load(Ordering::Relaxed) < ACTS {
        if done.load(Ordering::Relaxed) >= allowed.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(2)).await;
            continue;
        }
        let movie = movies[rng.random_range(0..movies.len())];
        let mark = !marked.contains(&movie) || rng.random_bool(0.2);
        loop {
            let path = format!("/watched/{movie}");
            let (method, wanted) = if mark { ("PUT", 200..202) } else { ("DELETE", 204..205) };
            match user.send(method.parse().unwrap(), &path, &[], None).await {
                Ok(answer) if wanted.contains(&answer.status) => break,
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                Err(_killed) => {}
            }
            sleep(Duration::from_millis(20)).await;
        }
        if mark {
            marked.insert(movie);
        } else {
            marked.remove(&movie);
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    marked
}

async fn marked(user: &Client) -> BTreeSet<u64> {
    let answer = user.get("/watched?pageSize=100").await;
    assert_eq!(answer.json()["pagination"]["lastPage"], true);
    answer.data().iter().map(|mark| mark["movieId"].as_u64().unwrap()).collect()
}

/// The stores, read with nothing of the service in between.
struct Recount {
    sql: SqlitePool,
    documents: SqlitePool,
}

impl Recount {
    async fn of(folder: &Path, users: &[Client]) -> Self {
        let open = |file| {
            let path = folder.join(file);
            async move { SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap() }
        };
        let recount = Self { sql: open("watchme.db").await, documents: open("documents.db").await };
        let total: i64 = recount.scalar("SELECT count(*) FROM users WHERE role = 'user'").await;
        assert_eq!(total, users.len() as i64);
        recount
    }

    async fn scalar(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.sql).await.unwrap()
    }

    async fn check(&self, user: &str, expected: &BTreeSet<u64>, report: &Value) {
        let marks = sqlx::query("SELECT movie_id, genres FROM marks WHERE user_id = ?")
            .bind(user)
            .fetch_all(&self.sql)
            .await
            .unwrap();
        let ids: BTreeSet<u64> = marks.iter().map(|mark| mark.get::<i64, _>(0) as u64).collect();
        assert_eq!(&ids, expected);

        // A sequence without a gap, each number once.
        let last: i64 = sqlx::query_scalar("SELECT watch_seq FROM users WHERE id = ?")
            .bind(user)
            .fetch_one(&self.sql)
            .await
            .unwrap();
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT json_extract(payload, '$.seq') FROM outbox WHERE user_id = ? ORDER BY 1",
        )
        .bind(user)
        .fetch_all(&self.sql)
        .await
        .unwrap();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());

        let mut by_genre: BTreeMap<i64, u64> = BTreeMap::new();
        for mark in &marks {
            let genres: Vec<i64> = serde_json::from_str(mark.get(1)).unwrap();
            for genre in genres {
                *by_genre.entry(genre).or_default() += 1;
            }
        }
        assert_eq!(report["totalFilmsWatched"], marks.len());
        let best = by_genre.iter().max_by_key(|(id, films)| (**films, std::cmp::Reverse(**id)));
        if let Some((id, films)) = best {
            assert_eq!(report["mostWatchedTheme"]["themeId"], *id);
            assert_eq!(report["mostWatchedTheme"]["totalFilmsWatched"], *films);
        }
        let latest: Option<i64> = sqlx::query_scalar(
            "SELECT movie_id FROM marks WHERE user_id = ? ORDER BY watched_at DESC, marked_seq DESC LIMIT 1",
        )
        .bind(user)
        .fetch_optional(&self.sql)
        .await
        .unwrap();
        assert_eq!(report["lastFilmWatched"]["movieId"].as_i64(), latest);

        // The projection itself: it has taken every event, each once.
        let document: String =
            sqlx::query_scalar("SELECT document FROM projections WHERE user_id = ?")
                .bind(user)
                .fetch_one(&self.documents)
                .await
                .unwrap();
        let projection: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(projection["lastSeq"], last);
        assert_eq!(projection["totalFilms"], marks.len());
        let counted: BTreeMap<i64, u64> =
            serde_json::from_value::<BTreeMap<String, u64>>(projection["filmsByGenre"].clone())
                .unwrap()
                .into_iter()
                .map(|(id, films)| (id.parse().unwrap(), films))
                .collect();
        assert_eq!(counted, by_genre);
    }
}
