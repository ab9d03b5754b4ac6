//! SQL, MongoDB and TMDb cut off one at a time: what is answered meanwhile, and how soon after.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    load,
    size::Size,
    support::{
        Answer, Client,
        proxy::{Line, Proxy},
        tmdb_double::{TmdbDouble, V3_KEY},
    },
    world::{Replica, World},
};

/// 503 comes within this.
const REFUSAL: Duration = Duration::from_secs(3);
/// Everything works again within this.
const RETURN: Duration = Duration::from_secs(5);

/// One kind of request, with how it was answered.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<u16, u32>,
    stale: u32,
    slowest: Duration,
    times: Vec<Duration>,
}

impl Seen {
    fn note(&mut self, answer: &Answer, time: Duration) {
        *self.answers.entry(answer.status).or_default() += 1;
        self.stale += u32::from(answer.header("cache-status").contains("stale"));
        self.slowest = self.slowest.max(time);
        self.times.push(time);
    }

    fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }

    fn count(&self, status: u16) -> u32 {
        self.answers.get(&status).copied().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    List,
    OtherList,
    Details,
    Mark,
    Report,
}

/// Asks everything again and again until told to stop; insists on what holds always: no 500, no
/// hang, 503 with `Retry-After`.
struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<Kind, Seen>>>,
    work: Vec<tokio::task::JoinHandle<()>>,
}

impl Watch {
    fn begin(user: &Client, movies: &[u64]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen: Arc<Mutex<BTreeMap<Kind, Seen>>> = Arc::default();
        let work = [Kind::List, Kind::OtherList, Kind::Details, Kind::Mark, Kind::Report]
            .into_iter()
            .map(|kind| {
                let (user, stop, seen) = (user.clone(), Arc::clone(&stop), Arc::clone(&seen));
                let movies = movies.to_vec();
                tokio::spawn(async move {
                    let mut round = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        let answer = ask(&user, kind, &movies, round).await;
                        let time = began.elapsed();
                        let text = answer.text();
                        assert!(
                            matches!(answer.status, 200 | 201 | 204 | 503),
                            "{kind:?} got {}: {text}",
                            answer.status
                        );
                        assert!(time < REFUSAL, "{kind:?} took {time:?}: {text}");
                        if answer.status == 503 {
                            assert!(!answer.header("retry-after").is_empty(), "{text}");
                        }
                        seen.lock().unwrap().entry(kind).or_default().note(&answer, time);
                        round += 1;
                        sleep(Duration::from_millis(20)).await;
                    }
                })
            })
            .collect();
        Self { stop, seen, work }
    }

    async fn end(self) -> BTreeMap<Kind, Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for work in self.work {
            work.await.expect("what holds always held");
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn ask(user: &Client, kind: Kind, movies: &[u64], round: usize) -> Answer {
    match kind {
        Kind::List => user.get("/movies").await,
        // A page that nobody has asked for before.
        Kind::OtherList => user.get(&format!("/movies?pageSize=7&pageNumber={}", round + 1)).await,
        Kind::Details => user.get(&format!("/movies/{}", movies[0])).await,
        Kind::Mark => {
            let movie = movies[round % movies.len()];
            user.put(&format!("/watched/{movie}"), &json!({})).await
        }
        Kind::Report => user.get("/reports/me").await,
    }
}

async fn one_replica(settings: &[(&str, &str)]) -> (World, Replica, Client, Vec<u64>) {
    let world = World::engines_with(settings).await;
    let replica = world.replicas(1).await.remove(0);
    let user = load::subscriber(&replica.client(), "away").await;
    let movies = load::movies(&user).await;
    for kind in [Kind::List, Kind::Details, Kind::Report] {
        ask(&user, kind, &movies, 0).await.expect(200);
    }
    (world, replica, user, movies)
}

/// Waits until everything is answered as usual.
async fn well_again(user: &Client, movies: &[u64]) -> Duration {
    let began = Instant::now();
    loop {
        let mut fine = true;
        for kind in [Kind::List, Kind::OtherList, Kind::Details, Kind::Mark, Kind::Report] {
            let answer = ask(user, kind, movies, 3).await;
            fine &= answer.status < 300 && !answer.header("cache-status").contains("stale");
        }
        if fine {
            return began.elapsed();
        }
        assert!(began.elapsed() < RETURN, "not well {RETURN:?} after the return");
        sleep(Duration::from_millis(50)).await;
    }
}

fn outage(size: Size) -> Duration {
    size.pick(Duration::from_secs(6), Duration::from_secs(60))
}

/// SQL stays connected and says nothing.
pub async fn sql(size: Size) -> String {
    let (mut world, mut replica, user, movies) = one_replica(&[]).await;
    world.on_engines().mysql_line.set(Line::Swallowed);
    let watch = Watch::begin(&user, &movies);
    // What is remembered of the account has ended by then.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(replica.client().get("//readyz").await.status, 503);
    assert_eq!(replica.client().get("//livez").await.status, 204);
    sleep(outage(size).saturating_sub(Duration::from_secs(4))).await;
    let seen = watch.end().await;
    world.on_engines().mysql_line.set(Line::Open);
    let back = well_again(&user, &movies).await;

    // Connections that break instead, and a line that is slow: a shorter look.
    world.on_engines().mysql_line.set(Line::Cut);
    let watch = Watch::begin(&user, &movies);
    sleep(Duration::from_secs(4)).await;
    watch.end().await;
    world.on_engines().mysql_line.set(Line::Slow(Duration::from_millis(20)));
    well_again(&user, &movies).await;
    let slowest = seen.values().map(|seen| seen.slowest).max().unwrap_or_default();
    let refused: u32 = seen.values().map(|seen| seen.count(503)).sum();
    assert_eq!(
        seen[&Kind::Mark].count(200) + seen[&Kind::Mark].count(201),
        0,
        "no mark without SQL"
    );
    replica.terminate();
    format!(
        "{refused} requests refused with 503, slowest after {:.1} s; well {:.1} s after its return",
        slowest.as_secs_f64(),
        back.as_secs_f64()
    )
}

/// MongoDB stays connected and says nothing; then a replica starts without it.
pub async fn mongodb(size: Size) -> String {
    let (mut world, mut replica, user, movies) = one_replica(&[]).await;
    world.on_engines().mongodb_line.set(Line::Swallowed);
    let watch = Watch::begin(&user, &movies);
    sleep(outage(size)).await;
    let seen = watch.end().await;
    let list = &seen[&Kind::List];
    assert_eq!(list.count(503), 0, "stored lists are served");
    let p99 = list.p99();
    assert!(p99 < Duration::from_millis(300), "p99 of lists {p99:?}");
    assert!(list.stale > 0, "they are marked as stale");
    assert_eq!(seen[&Kind::Mark].count(503), 0, "marks need no documents");
    assert_eq!(seen[&Kind::Report].count(503), 0, "reports are counted from the marks");
    assert!(seen[&Kind::OtherList].count(503) > 0, "what was not remembered cannot be served");

    replica.terminate();
    replica.start();
    replica.ready().await;
    let health = replica.health().await;
    assert_eq!(health["status"], "warn", "it starts without MongoDB: {health}");
    world.on_engines().mongodb_line.set(Line::Open);
    let back = well_again(&user, &movies).await;
    replica.terminate();
    format!(
        "{} lists served (p99 {:.0} ms, {} marked as stale), {} other requests 503; started without it; well {:.1} s after its return",
        list.count(200),
        p99.as_secs_f64() * 1e3,
        list.stale,
        seen.values().map(|seen| seen.count(503)).sum::<u32>(),
        back.as_secs_f64()
    )
}

/// TMDb stays connected and says nothing.
pub async fn tmdb(size: Size) -> String {
    let double = TmdbDouble::start().await;
    let line = Proxy::before(double.url().port().expect("an address with a port")).await;
    let base = format!("http://127.0.0.1:{}/3", line.port());
    let settings = [
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", base.as_str()),
        ("WATCHME_CATALOGUE_PAGES", "2"),
    ];
    let (world, mut replica, user, movies) = tmdb_replica(&settings).await;
    line.set(Line::Swallowed);
    // Something has to be asked of TMDb before anybody can know that it is silent.
    let watch = Watch::begin(&user, &movies);
    let until = Instant::now() + size.pick(Duration::from_secs(15), Duration::from_secs(60));
    let mut unknown = 900_000;
    while Instant::now() < until {
        let asked: Vec<_> = (1..=5)
            .map(|number| {
                let (user, movie) = (user.clone(), unknown + number);
                tokio::spawn(async move {
                    let began = Instant::now();
                    let answer = user.get(&format!("/movies/{movie}")).await;
                    answer.problem(503, "metadata_unavailable");
                    assert!(!answer.header("retry-after").is_empty());
                    let time = began.elapsed();
                    assert!(time < Duration::from_secs(4), "{time:?}");
                })
            })
            .collect();
        for asked in asked {
            asked.await.expect("an unknown movie is 503");
        }
        unknown += 5;
        sleep(Duration::from_millis(200)).await;
    }
    let seen = watch.end().await;
    let refused: u32 = seen.values().map(|seen| seen.count(503)).sum();
    assert_eq!(refused, 0, "what is stored needs no TMDb");
    let stale = seen[&Kind::List].stale;
    assert!(stale > 0, "lists are marked as stale");
    let p99 = seen[&Kind::List].p99();
    assert!(p99 < Duration::from_millis(300), "p99 of lists {p99:?}");
    line.set(Line::Open);
    drop(world);
    replica.kill();
    format!(
        "{} lists served (p99 {:.0} ms, {stale} marked as stale), unknown movies 503",
        seen[&Kind::List].count(200),
        p99.as_secs_f64() * 1e3
    )
}

async fn tmdb_replica(settings: &[(&str, &str)]) -> (World, Replica, Client, Vec<u64>) {
    let world = World::engines_with(settings).await;
    let replica = world.replicas(1).await.remove(0);
    let client = replica.client();
    let admin =
        client.login(crate::support::app::ADMIN_EMAIL, crate::support::app::ADMIN_PASSWORD).await;
    // Without the demo catalogue there are no packages yet.
    let genres = admin.get("/genres?pageSize=100").await.data();
    let ids: Vec<i64> = genres.iter().map(|genre| genre["id"].as_i64().unwrap()).collect();
    admin.make_package("Everything", &ids).await;
    let user = load::subscriber(&client, "away").await;
    let movies = load::movies(&user).await;
    (world, replica, user, movies)
}
