//! What an operator does by command about events and reports, over the real stores.

use std::{sync::Arc, time::Duration};

use watchme::{
    auth::Passwords,
    commands::{Replay, Since, Task, TaskError, TaskPorts, run},
    config::PasswordConfig,
};
use watchme_actors::{domain::UserId, ports::Outbox};

use crate::world::{World, eventually};

async fn told(world: &World, task: Task) -> Result<String, TaskError> {
    let bus = world.stores.bus().await;
    let hashing =
        PasswordConfig { memory: 64, passes: 1, lanes: 1, queue: 1, wait: Duration::from_secs(2) };
    let ports = TaskPorts {
        accounts: Arc::new(world.sql.clone()),
        passwords: Passwords::new(hashing).unwrap(),
        dead_letters: bus.dead_letters.clone(),
        outbox: Arc::new(world.sql.clone()),
        reports: world.reports.clone(),
        watch_log: Arc::new(world.sql.clone()),
        clock: world.clock.clone(),
    };
    let mut out = Vec::new();
    let outcome = run(task, &ports, &mut out).await;
    bus.close().await;
    outcome?;
    Ok(String::from_utf8(out).unwrap())
}

#[actix_web::test]
async fn poison_is_listed_and_goes_on_its_way_again_once_it_is_mended() {
    let world = World::new().await;
    let user = world.user().await;
    world.mark(user, 1).await;
    let broken = "UPDATE outbox SET payload = replace(payload, '\"marked\"', '\"liked\"')";
    world.damage(broken).await;
    let running = world.start().await;
    eventually("it is put aside", || async { running.dead_letters().await.len() == 1 }).await;
    let list = || Task::ListDead { limit: 10, json: true };
    let letter: serde_json::Value =
        serde_json::from_str(&told(&world, list()).await.unwrap()).unwrap();
    assert!(letter["reason"].as_str().unwrap().contains("liked"), "{letter}");
    assert!(letter["original"].as_str().unwrap().contains("\"liked\""), "{letter}");
    let subject = letter["subject"].as_str().unwrap();
    assert!(subject.contains(".watch.v1.") && subject.ends_with(&user.to_string()));
    let id = letter["id"].as_u64().unwrap();
    if !world.stores.is_embedded() {
        // What is in a stream cannot be mended: it comes back as another letter.
        told(&world, Task::ReplayDead(Replay::One(id))).await.unwrap();
        let other = || async { running.dead_letters().await.iter().any(|letter| letter.id != id) };
        eventually("it is put aside again", other).await;
        let again = told(&world, Task::ReplayDead(Replay::One(id))).await;
        assert!(matches!(again, Err(TaskError::NoSuchLetter(_))));
        running.stop().await;
        return;
    }

    // The version that understands it, as it were.
    let mended = "UPDATE outbox SET payload = replace(payload, '\"liked\"', '\"marked\"')";
    world.damage(mended).await;
    told(&world, Task::ReplayDead(Replay::One(id))).await.unwrap();
    eventually("it was taken", || async { world.sql.backlog().await.unwrap().events == 0 }).await;
    world.settled(user).await;
    assert_eq!(told(&world, list()).await.unwrap(), "");
    assert_eq!(running.handles.reports.status().poisoned, 1);
    let again = told(&world, Task::ReplayDead(Replay::One(id))).await;
    assert!(matches!(again, Err(TaskError::NoSuchLetter(_))));
    running.stop().await;
}

#[actix_web::test]
async fn events_that_are_published_again_change_nothing() {
    let world = World::new().await;
    let running = world.start().await;
    let user = world.user().await;
    for number in 1..=5 {
        world.mark(user, number).await;
    }
    world.settled(user).await;
    eventually("the outbox is empty", || async { world.sql.backlog().await.unwrap().events == 0 })
        .await;
    let since = Since::Ago(Duration::from_secs(3_600));
    assert!(told(&world, Task::Republish(since)).await.unwrap().starts_with("5 events"));
    let came = || running.handles.reports.status().duplicates >= 5;
    eventually("they came again", || async { came() }).await;
    world.settled(user).await;
    world.clock.advance(Duration::from_secs(7_200));
    assert!(told(&world, Task::Republish(since)).await.unwrap().starts_with("0 events"));
    running.stop().await;
}

#[actix_web::test]
async fn reports_that_are_wrong_or_lost_are_rebuilt() {
    let world = World::new().await;
    let running = world.start().await;
    let users = [world.user().await, world.user().await];
    for user in users {
        world.mark(user, 1).await;
        world.mark(user, 2).await;
        world.settled(user).await;
    }
    running.stop().await;
    world.miscount_reports().await;
    assert_ne!(
        world.reports.projection(users[0]).await.unwrap().unwrap(),
        world.truth(users[0]).await
    );
    let one = told(&world, Task::RebuildReports(Some(users[0]))).await.unwrap();
    assert!(one.starts_with("1 reports rebuilt"), "{one}");
    world.settled(users[0]).await;
    world.lose_reports().await;
    let all = told(&world, Task::RebuildReports(None)).await.unwrap();
    assert!(all.starts_with("2 reports rebuilt"), "{all}");
    for user in users {
        world.settled(user).await;
    }
    let nobody = told(&world, Task::RebuildReports(Some(UserId::generate()))).await;
    assert!(matches!(nobody, Err(TaskError::NoSuchUser(_))));
}
