//! MongoDB stays connected and says nothing; then a replica starts without it.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    REFUSAL, Scene, outage,
    watch::{Kind, Watch},
};
use crate::{size::Size, support::proxy::Line};

/// What needs the genres waits 5 s for them when nobody knows them yet.
const REFUSAL_WITHOUT_GENRES: Duration = Duration::from_secs(6);
/// Needs no documents, or remembers them.
const SERVED: [Kind; 11] = [
    Kind::List,
    Kind::Trending,
    Kind::Details,
    Kind::Mark,
    Kind::Play,
    Kind::Report,
    Kind::Genres,
    Kind::Packages,
    Kind::Subscriptions,
    Kind::Entitlements,
    Kind::Login,
];

/// Needs neither documents nor the names of genres: served by a process that has never seen them.
const WITHOUT_GENRES: [Kind; 3] = [Kind::Play, Kind::Subscriptions, Kind::Login];

pub async fn away(size: Size) -> String {
    let mut scene = Scene::on_engines().await;
    scene.world.on_engines().mongodb_line.set(Line::Swallowed);
    let watch = Watch::begin(&scene.asker, REFUSAL);
    sleep(outage(size)).await;
    let seen = watch.end().await;
    seen.served(&SERVED);
    let list = seen.of(Kind::List);
    let p99 = list.p99();
    assert!(p99 < Duration::from_millis(300), "p99 of lists {p99:?}");
    assert!(list.stale > 0, "they are marked as stale");
    let other = seen.of(Kind::OtherList);
    assert!(other.refused() > 0, "what was not remembered cannot be served");

    let blind = started_without(&mut scene, size).await;
    scene.world.on_engines().mongodb_line.set(Line::Open);
    let watch = Watch::begin(&scene.asker, REFUSAL_WITHOUT_GENRES);
    let back = scene.asker.well_again().await;
    watch.end().await;
    let text = format!(
        "{} lists served (p99 {:.0} ms, {} marked as stale), {} of {} requests refused with 503; {blind}; well {:.1} s after its return",
        list.done(),
        p99.as_secs_f64() * 1e3,
        list.stale,
        seen.refused(),
        seen.answered(),
        back.as_secs_f64()
    );
    format!("{text}; {}", scene.end().await)
}

/// A process that has never seen the documents.
async fn started_without(scene: &mut Scene, size: Size) -> String {
    scene.replica.terminate();
    scene.replica.start();
    scene.replica.ready().await;
    let health = scene.replica.health().await;
    assert_eq!(health["status"], "warn", "it starts without MongoDB: {health}");
    let watch = Watch::begin(&scene.asker, REFUSAL_WITHOUT_GENRES);
    sleep(size.pick(Duration::from_secs(8), Duration::from_secs(20))).await;
    let seen = watch.end().await;
    seen.refused_all(&[Kind::List, Kind::OtherList]);
    seen.served(&WITHOUT_GENRES);
    format!(
        "started without it {} requests answered, {} refused, slowest after {:.1} s",
        seen.answered() - seen.refused(),
        seen.refused(),
        seen.slowest().as_secs_f64()
    )
}
