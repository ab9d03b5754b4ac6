//! Reports rebuilt by command while writes go on: what was folded event by event comes out again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::{EntitlementMode, MovieSnapshot, PackageId, Role, UserId},
    ports::{
        Accounts, Clock, MarkMovie, NewAccount, NewSubscription, Subscriptions, SystemClock,
        WatchLog,
    },
};

use crate::{
    load::{self, Load, Tally},
    replica::{bases, sum},
    size::Size,
    support::Client,
    world::{World, seed},
};

const WRITERS: u32 = 8;
const RATE: u32 = 50;
/// Users that are made, or whose reports are read, at once.
const AT_ONCE: usize = 8;
/// Of so many users one has lost the report before the rebuild.
const LOST: usize = 5;
const REBUILDS: &str = "watchme_projection_rebuilds_total";

/// Equal to the incremental reports, byte for byte, and so are those of the writers.
pub async fn under_writes(size: Size) -> String {
    let number = size.pick(50, 1_000);
    let mut world = World::engines().await;
    let mut replicas = world.replicas(2).await;
    let writers = load::subscribers(&replicas[0].client(), WRITERS, "writer").await;
    let movies = load::movies(&replicas, &writers[0]).await;
    let users = viewers(&mut world, &writers[0], number).await;
    let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
    world.oracle().reports_come_to_the_marks(&ids, Duration::from_secs(120)).await;
    world.bus().await.consumed().await;
    let rebuilt = sum(&replicas, REBUILDS).await;
    assert!(rebuilt < number as f64 / 10.0, "{rebuilt} reports were not folded event by event");

    let admin = replicas[0].admin().await;
    let stored = world.oracle().stored(&ids).await;
    let read = reports(&admin, &users).await;
    assert_eq!(stored.len(), number, "everybody has a report");

    let tally = Arc::<Tally>::default();
    let load = Load { bases: bases(&replicas), acts: u32::MAX, rate: Some(RATE), seed: seed() };
    let markers = load::start(&writers, &movies, &load, &tally);
    while tally.answered() < RATE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A rebuild that writes nothing would leave these out.
    for user in users.iter().step_by(LOST) {
        world.reports.erase(*user).await.unwrap();
    }
    let before = tally.answered();
    let printed = world.command(&["reports", "rebuild"]).await;
    let meanwhile = tally.answered() - before;
    assert!(meanwhile > 0, "nobody wrote meanwhile");
    let rebuilt: usize = printed.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
    assert!(rebuilt >= number, "{printed}");
    assert_eq!(world.oracle().stored(&ids).await, stored, "the same projections");
    let again = reports(&admin, &users).await;
    assert!(again == read, "the same reports, byte for byte");

    let answered = load::end(markers, &tally).await;
    world.oracle().check(&answered, Duration::from_secs(60)).await;
    for replica in &mut replicas {
        replica.terminate();
    }
    format!(
        "{number} users' reports, {} of them lost, rebuilt while {meanwhile} writes were answered: byte for byte those that were folded",
        number.div_ceil(LOST)
    )
}

/// Users with a history: past the service, as it would take longest to hash their passwords.
async fn viewers(world: &mut World, like: &Client, number: usize) -> Vec<UserId> {
    let store = SqlStore::open(&SqlSettings::new(world.database())).await.unwrap();
    let packages: Vec<PackageId> = like
        .get("/packages?pageSize=100")
        .await
        .data()
        .iter()
        .map(|package| package["id"].as_str().unwrap().parse().unwrap())
        .collect();
    let movies: Vec<MovieSnapshot> =
        like.get("/movies?pageSize=60").await.data().iter().map(snapshot).collect();
    let users = stream::iter(0..number)
        .map(|number| viewer(&store, &packages, &movies, number))
        .buffered(AT_ONCE)
        .collect()
        .await;
    store.close().await;
    users
}

fn snapshot(movie: &Value) -> MovieSnapshot {
    let genre = |genre: &Value| genre["id"].as_i64().unwrap().try_into().unwrap();
    MovieSnapshot {
        id: movie["id"].as_i64().unwrap().try_into().unwrap(),
        title: movie["title"].as_str().unwrap().to_owned(),
        genres: movie["genres"].as_array().unwrap().iter().map(genre).collect(),
    }
}

async fn viewer(
    store: &SqlStore,
    packages: &[PackageId],
    movies: &[MovieSnapshot],
    number: usize,
) -> UserId {
    let clock = SystemClock;
    let account = NewAccount {
        email: load::email(&format!("viewer{number}")).parse().unwrap(),
        email_verified: true,
        name: format!("Viewer {number}").parse().unwrap(),
        role: Role::User,
        password_hash: "nobody signs in with it".to_owned(),
        now: clock.now(),
    };
    let user = store.create(account, None).await.unwrap().into_inner().id;
    for package in packages {
        let now = clock.now();
        let subscription =
            NewSubscription { user, package: *package, starts_at: now, ends_at: None, now };
        store.subscribe(subscription, None).await.unwrap();
    }
    // Histories of several lengths, and something taken back in each.
    let some = movies.iter().cycle().skip(number * 7).take(2 + number % 6);
    for movie in some.clone() {
        let mark = MarkMovie {
            user,
            movie_id: movie.id,
            movie: Some(movie.clone()),
            viewing: None,
            mode: EntitlementMode::Any,
            now: clock.now(),
        };
        store.mark(mark).await.unwrap();
    }
    for movie in some.take(1) {
        store.unmark(user, movie.id, clock.now()).await.unwrap();
    }
    user
}

/// What an admin is shown of each.
async fn reports(admin: &Client, users: &[UserId]) -> BTreeMap<UserId, Vec<u8>> {
    stream::iter(users)
        .map(|user| async move {
            let answer = admin.get(&format!("/reports/users/{user}")).await;
            answer.expect(200);
            (*user, answer.bytes)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}
