//! TMDb stays connected and says nothing.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    REFUSAL, RETURN, Scene,
    watch::{Kind, Watch},
};
use crate::{
    size::Size,
    support::{
        Client,
        proxy::{Line, Proxy},
        tmdb_double::{TmdbDouble, V3_KEY},
    },
    world::World,
};

/// The first of those that nobody has stored.
const UNKNOWN: i64 = 900_000;
/// The one of those that TMDb has, once it answers again.
const NEW: i64 = 900_999;

pub async fn away(size: Size) -> String {
    let double = TmdbDouble::start().await;
    let line = Proxy::before(double.url().port().expect("an address with a port")).await;
    let base = line.url(&double.url()).to_string();
    let settings = [
        ("TMDB_API_KEY", V3_KEY),
        ("TMDB_BASE_URL", base.as_str()),
        ("WATCHME_CATALOGUE_PAGES", "2"),
    ];
    let mut scene = scene(&settings).await;
    double.edit(|catalogue| {
        let mut film = catalogue.movies.values().next().expect("it has movies").clone();
        film.id = NEW;
        catalogue.movies.insert(NEW, film);
    });

    line.set(Line::Swallowed);
    // Something has to be asked of TMDb before anybody can know that it is silent.
    let watch = Watch::begin(&scene.asker, REFUSAL);
    let until = Instant::now() + size.pick(Duration::from_secs(15), Duration::from_secs(60));
    let (mut unknown, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < until {
        for time in unknown_movies(&scene.asker.user, unknown).await {
            slowest = slowest.max(time);
            unknown += 1;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let seen = watch.end().await;
    // What is stored needs no TMDb.
    seen.served(&Kind::ALL);
    let list = seen.of(Kind::List);
    assert!(list.stale > 0, "lists are marked as stale");
    let p99 = list.p99();
    assert!(p99 < Duration::from_millis(300), "p99 of lists {p99:?}");
    let search = seen.of(Kind::Search);
    assert!(search.stale > 0, "what is found without TMDb is marked as stale");

    scene.replica.terminate();
    scene.replica.start();
    scene.replica.ready().await;
    let watch = Watch::begin(&scene.asker, REFUSAL);
    slowest =
        unknown_movies(&scene.asker.user, unknown).await.into_iter().fold(slowest, Duration::max);
    sleep(Duration::from_secs(4)).await;
    let without = watch.end().await;
    without.served(&Kind::ALL);

    line.set(Line::Open);
    let watch = Watch::begin(&scene.asker, REFUSAL);
    let asked = asked_again(&scene.asker.user).await;
    let back = asked + scene.asker.well_again().await;
    assert!(back <= RETURN, "well only {back:?} after the return");
    watch.end().await;
    let text = format!(
        "{} lists served (p99 {:.0} ms, {} marked as stale), {} searches; {unknown} unknown movies 503, slowest after {:.1} s; started without it {} requests served; TMDb asked again {:.1} s after its return, well after {:.1} s",
        list.done(),
        p99.as_secs_f64() * 1e3,
        list.stale,
        search.done(),
        slowest.as_secs_f64(),
        without.answered(),
        asked.as_secs_f64(),
        back.as_secs_f64()
    );
    format!("{text}; {}", scene.end().await)
}

async fn scene(settings: &[(&str, &str)]) -> Scene {
    let world = World::engines_with(settings).await;
    let replica = world.replicas(1).await.remove(0);
    // Without the demo catalogue there are no packages yet.
    let admin = replica.admin().await;
    let genres = admin.get("/genres?pageSize=100").await.data();
    let ids: Vec<i64> = genres.iter().map(|genre| genre["id"].as_i64().unwrap()).collect();
    admin.make_package("Everything", &ids).await;
    Scene::of(world, replica).await
}

/// Asks for some movies at once that nobody has asked for before; insists on the refusal. How long
/// each took.
async fn unknown_movies(user: &Client, from: i64) -> Vec<Duration> {
    let asked: Vec<_> = (1..=5)
        .map(|number| {
            let (user, movie) = (user.clone(), UNKNOWN + from + number);
            tokio::spawn(async move {
                let began = Instant::now();
                let answer = user.get(&format!("/movies/{movie}")).await;
                let time = began.elapsed();
                answer.problem(503, "metadata_unavailable");
                assert!(!answer.header("retry-after").is_empty());
                assert!(time < REFUSAL, "an unknown movie is refused after {time:?}");
                time
            })
        })
        .collect();
    let mut times = Vec::new();
    for asked in asked {
        times.push(asked.await.expect("an unknown movie is 503"));
    }
    times
}

/// How long until TMDb is asked again.
async fn asked_again(user: &Client) -> Duration {
    let began = Instant::now();
    loop {
        let answer = user.get(&format!("/movies/{NEW}")).await;
        let time = began.elapsed();
        assert!(time <= RETURN, "{time:?} after the return: {}", answer.text());
        if answer.status == 200 {
            return time;
        }
        answer.problem(503, "metadata_unavailable");
        sleep(Duration::from_millis(50)).await;
    }
}
