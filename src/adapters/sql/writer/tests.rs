//! What work can do to the group that it is in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;
use watchme_actors::ports::Probe;

use crate::adapters::sql::{SqlSettings, SqlStore, errors::Db, errors::unavailable};

async fn store(folder: &TempDir) -> SqlStore {
    let settings = SqlSettings::file(&folder.path().join("watchme.db")).unwrap();
    let store = SqlStore::open(&settings).await.unwrap();
    store
        .write(|mut tx| async move {
            sqlx::query("CREATE TABLE notes (n BIGINT NOT NULL PRIMARY KEY)")
                .execute(&mut *tx)
                .await
                .db()
        })
        .await
        .unwrap();
    store
}

/// What a work does when it is half-done.
#[derive(Clone, Copy)]
enum Half {
    Goes,
    Fails,
    Panics,
}

/// Notes two numbers; whether it was told that they are.
async fn note(store: &SqlStore, n: i64, half: Half) -> bool {
    let noted = store.write(|mut tx| async move {
        for n in [2 * n, 2 * n + 1] {
            sqlx::query("INSERT INTO notes (n) VALUES (?)").bind(n).execute(&mut *tx).await.db()?;
            match half {
                Half::Goes => {}
                Half::Fails => return Err(unavailable("planned")),
                Half::Panics => panic!("planned"),
            }
        }
        Ok(())
    });
    noted.await.is_ok()
}

async fn well(store: &SqlStore, n: i64) -> bool {
    note(store, n, Half::Goes).await
}

/// The numbers of those whose notes are there; both or none.
async fn noted(store: &SqlStore) -> Vec<i64> {
    let all: Vec<i64> = store
        .read(|mut tx| async move {
            sqlx::query_scalar("SELECT n FROM notes ORDER BY n").fetch_all(&mut *tx).await.db()
        })
        .await
        .unwrap();
    let pairs = all.chunks(2);
    assert!(pairs.clone().all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1), "{all:?}");
    pairs.map(|pair| pair[0] / 2).collect()
}

#[tokio::test]
async fn those_who_come_together_are_committed_together() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder).await;
    let before = store.writes().unwrap();
    let told = join_all((0..300).map(|n| well(&store, n))).await;
    assert!(told.iter().all(|told| *told));
    assert_eq!(noted(&store).await, (0..300).collect::<Vec<_>>());
    let after = store.writes().unwrap();
    let (writes, commits) = (after.committed - before.committed, after.commits - before.commits);
    // No group is larger than 128, and some may go before it is full.
    assert!(writes == 300 && (3..10).contains(&commits), "{writes} in {commits}");
}

#[tokio::test]
async fn who_is_alone_is_committed_alone() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder).await;
    let before = store.writes().unwrap();
    for n in 0..5 {
        assert!(well(&store, n).await);
    }
    let after = store.writes().unwrap();
    assert_eq!((after.committed - before.committed, after.commits - before.commits), (5, 5));
}

#[tokio::test]
async fn who_fails_fails_alone() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder).await;
    let told = join_all((0..20).map(async |n| match n % 5 {
        // The first of all, and several in the middle.
        0 => note(&store, n, Half::Fails).await,
        // By the engine: the number is there already.
        3 => well(&store, n - 1).await,
        _ => well(&store, n).await,
    }));
    let told = told.await;
    let well: Vec<i64> = (0..20).filter(|n| !matches!(n % 5, 0 | 3)).collect();
    let answered: Vec<i64> = (0..20).zip(told).filter(|told| told.1).map(|told| told.0).collect();
    assert_eq!(answered, well);
    assert_eq!(noted(&store).await, well);
}

#[tokio::test]
async fn who_panics_takes_nobody_along() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            let half = if n % 4 == 0 { Half::Panics } else { Half::Goes };
            tokio::spawn(async move { note(&store, n, half).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap_or(false), n % 4 != 0, "{n}");
    }
    assert_eq!(noted(&store).await, (0..20).filter(|n| n % 4 != 0).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_gives_up_takes_nobody_along() {
    let folder = TempDir::new().unwrap();
    let store = &store(&folder).await;
    let impatient = async |n: i64, turns: i64| {
        let patience = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = patience => false,
            told = well(store, n) => told,
        }
    };
    // At every step of every place in the group: before, at and after its turn.
    for turns in 0..60 {
        let first = turns * 10;
        let told = join_all((0..8).map(async |place| {
            let gives_up = [0, 2, 3, 7].contains(&place);
            let n = first + place;
            if gives_up { impatient(n, turns * (place + 1)).await } else { well(store, n).await }
        }));
        let told = tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
        let noted = noted(store).await;
        for (place, told) in (0..8).zip(told) {
            assert!(told || [0, 2, 3, 7].contains(&place), "{turns}, {place}");
            assert!(!told || noted.contains(&(first + place)), "{turns}, {place}");
        }
    }
}

#[tokio::test]
async fn when_all_give_up_the_next_one_finds_the_store_whole() {
    let folder = TempDir::new().unwrap();
    let store = &store(&folder).await;
    for turns in 0..60 {
        let group = join_all((0..4).map(|place| well(store, turns * 10 + place)));
        tokio::select! {
            biased;
            () = async { for _ in 0..turns { tokio::task::yield_now().await; } } => {}
            _ = group => {}
        }
        // Not held up by a transaction that nobody ends.
        assert!(well(store, turns * 10 + 5).await);
    }
    let noted = noted(store).await;
    assert!((0..60).all(|turns| noted.contains(&(turns * 10 + 5))));
}
