//! SQL stays connected and says nothing; its connections break; it is slow.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    REFUSAL, Scene, outage,
    watch::{Kind, Watch},
};
use crate::{size::Size, support::proxy::Line};

/// What is remembered of accounts and what was under way has ended by then.
const KNOWN: Duration = Duration::from_secs(4);
/// Needs SQL from the beginning.
const WRITES: [Kind; 3] = [Kind::Mark, Kind::Play, Kind::Login];

pub async fn away(size: Size) -> String {
    let mut scene = Scene::on_engines().await;
    scene.world.on_engines().mysql_line.set(Line::Swallowed);
    let watch = Watch::begin(&scene.asker, REFUSAL);
    sleep(KNOWN).await;
    probes(&scene, 503).await;
    sleep(outage(size).saturating_sub(KNOWN)).await;
    let seen = watch.end().await;
    seen.refused_all(&WRITES);
    let back = open_again(&mut scene).await;

    // Connections that break instead, and a line that is slow: a shorter look.
    scene.world.on_engines().mysql_line.set(Line::Cut);
    let watch = Watch::begin(&scene.asker, REFUSAL);
    sleep(KNOWN).await;
    watch.end().await.refused_all(&WRITES);
    let mended = open_again(&mut scene).await;
    scene.world.on_engines().mysql_line.set(Line::Slow(Duration::from_millis(20)));
    scene.asker.well_again().await;
    scene.world.on_engines().mysql_line.set(Line::Open);
    let marked = scene.end().await;
    format!(
        "{} of {} requests refused with 503, slowest after {:.1} s; well {:.1} s after its return ({:.1} s where connections broke); {marked}",
        seen.refused(),
        seen.answered(),
        seen.slowest().as_secs_f64(),
        back.as_secs_f64(),
        mended.as_secs_f64()
    )
}

/// How long until everything is well, while everything goes on being asked.
async fn open_again(scene: &mut Scene) -> Duration {
    scene.world.on_engines().mysql_line.set(Line::Open);
    let watch = Watch::begin(&scene.asker, REFUSAL);
    let back = scene.asker.well_again().await;
    probes(scene, 204).await;
    watch.end().await;
    back
}

async fn probes(scene: &Scene, ready: u16) {
    let client = scene.replica.client();
    client.get("//readyz").await.expect(ready);
    client.get("//livez").await.expect(204);
}
