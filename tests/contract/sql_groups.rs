//! Writes to SQLite that share a commit: each is answered as if it were alone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{AccountError, Accounts, Outbox, Probe, StoreError, WatchError, WatchLog},
};

use crate::sql::{CreateAccount, account, assert_whole, mark_request, open, watch_something};

async fn statement(folder: &TempDir, sql: &'static str) -> AnyConnection {
    let url = format!("sqlite://{}/watchme.db", folder.path().display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection
}

/// Marking movie 666 from then on makes the commit fail, not the mark.
async fn spoil_commits(folder: &TempDir) {
    let sql = "CREATE TABLE parents (n BIGINT NOT NULL PRIMARY KEY);
        CREATE TABLE orphans (n BIGINT REFERENCES parents (n) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER spoil AFTER INSERT ON marks WHEN NEW.movie_id = 666
            BEGIN INSERT INTO orphans (n) VALUES (1); END;";
    statement(folder, sql).await.close().await.unwrap();
}

/// Nothing can be committed until everybody who is polled beside this has lined up.
async fn all_line_up(folder: &TempDir) -> impl Future<Output = ()> {
    let held = statement(folder, "BEGIN IMMEDIATE").await;
    async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        held.close().await.unwrap();
    }
}

fn unavailable(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { store: "sql", .. })
}

#[tokio::test]
async fn marks_that_come_together_share_commits_and_keep_their_order() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    let before = store.writes().unwrap();
    let marked = join_all((0..64).map(|n| store.mark(mark_request(user.id, 1_000 + n)))).await;
    let after = store.writes().unwrap();
    assert_eq!(after.committed - before.committed, 64);
    assert!(after.commits - before.commits <= 4, "{before:?} {after:?}");
    // One mark was there before.
    for (n, marked) in marked.into_iter().enumerate() {
        assert_eq!(marked.unwrap().mark.marked_seq, n as u64 + 2);
    }
    assert_whole(&store, user.id).await;
    let events = store.unpublished(100).await.unwrap();
    let order = events.iter().map(|row| {
        let event: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
        event["seq"].as_u64().unwrap()
    });
    assert!(order.eq(1..=65));
}

#[tokio::test]
async fn a_mark_that_is_refused_leaves_the_others_alone() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    let stranger = store.create_account("bob", Timestamp::now()).await;
    let marked = join_all((0..30).map(|n| {
        let who = if n % 3 == 0 { stranger.id } else { user.id };
        store.mark(mark_request(who, 1_000 + n))
    }));
    for (n, marked) in marked.await.into_iter().enumerate() {
        match marked {
            Ok(marked) => assert!(marked.created && n % 3 != 0),
            Err(error) => assert!(matches!(error, WatchError::NotEntitled) && n % 3 == 0),
        }
    }
    assert_whole(&store, user.id).await;
    assert_eq!(store.history(user.id).await.unwrap().unwrap().marks.len(), 21);
    assert!(store.history(stranger.id).await.unwrap().unwrap().marks.is_empty());
}

#[tokio::test]
async fn a_commit_that_fails_fails_everybody_in_it() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    spoil_commits(&folder).await;
    let twice = || store.create(account("bob", Timestamp::now()), None);
    let marks = join_all([1, 2, 666, 3].map(|movie| store.mark(mark_request(user.id, movie))));
    let all_line_up = all_line_up(&folder).await;
    let (first, second, marked, ()) = tokio::join!(twice(), twice(), marks, all_line_up);
    for created in [first, second] {
        // The second one was refused for what the first had done, which is not so now.
        assert!(
            matches!(&created, Err(AccountError::Store(error)) if unavailable(error)),
            "{created:?}"
        );
    }
    for marked in marked {
        assert!(matches!(&marked, Err(WatchError::Store(error)) if unavailable(error)));
    }
    assert_whole(&store, user.id).await;
    assert_eq!(store.history(user.id).await.unwrap().unwrap().seq, 1);

    twice().await.unwrap();
    let marked = join_all([1, 2, 3].map(|movie| store.mark(mark_request(user.id, movie)))).await;
    assert!(marked.iter().all(Result::is_ok), "{marked:?}");
    assert_whole(&store, user.id).await;
}

#[tokio::test]
async fn a_transaction_that_the_engine_gives_up_fails_everybody_in_it() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    // As the engine does by itself when the disk is full.
    let sql = "CREATE TRIGGER full AFTER INSERT ON marks WHEN NEW.movie_id = 666
        BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END;";
    statement(&folder, sql).await.close().await.unwrap();
    let movies = [1, 2, 666, 3, 4];
    let marked = join_all(movies.map(|movie| store.mark(mark_request(user.id, movie)))).await;
    let told: Vec<bool> = marked.iter().map(Result::is_ok).collect();
    // Those who come after it begin a transaction of their own. The first may have been committed
    // before the others had lined up.
    assert_eq!(told[1..], [false, false, true, true]);
    assert_whole(&store, user.id).await;
    let seq = store.history(user.id).await.unwrap().unwrap().seq;
    assert_eq!(seq, 3 + u64::from(told[0]));
}

#[tokio::test]
async fn more_than_can_wait_are_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    let event = store.unpublished(1).await.unwrap()[0].id;
    // Somebody else has the file's lock for a moment.
    let mut other = statement(&folder, "BEGIN IMMEDIATE").await;
    let since = Instant::now();
    let marks = join_all((0..1_100).map(async |n| {
        let marked = store.mark(mark_request(user.id, 1_000 + n)).await;
        (marked, since.elapsed())
    }));
    let own = store.mark_published(std::slice::from_ref(&event), Timestamp::now());
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let (marked, own, ()) = tokio::join!(marks, own, release);
    own.unwrap();
    let mut refused = 0;
    for (marked, after) in marked {
        if let Err(error) = marked {
            assert!(matches!(error, WatchError::Store(StoreError::Busy { store: "sql" })));
            assert!(after < Duration::from_millis(300), "{after:?}");
            refused += 1;
        }
    }
    assert_eq!((refused, store.writes().unwrap().refused), (76, 76));
    let history = store.history(user.id).await.unwrap().unwrap();
    assert_eq!((history.seq, history.marks.len()), (1_025, 1_025));
}

#[tokio::test]
async fn who_gets_no_turn_in_time_is_told_so() {
    let folder = TempDir::new().unwrap();
    let user = {
        let store = open(folder.path()).await;
        watch_something(&store).await.0.id
    };
    let settings = SqlSettings {
        acquire_timeout: Duration::from_millis(200),
        ..SqlSettings::file(&folder.path().join("watchme.db")).unwrap()
    };
    let store = SqlStore::open(&settings).await.unwrap();
    let mut other = statement(&folder, "BEGIN IMMEDIATE").await;
    let mark = async |movie| {
        let since = Instant::now();
        (store.mark(mark_request(user, movie)).await, since.elapsed())
    };
    // The first has its turn, and waits for the file's lock.
    let second = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        mark(2).await
    };
    let (first, second) = tokio::join!(mark(1), second);
    for (marked, _) in [&first, &second] {
        assert!(matches!(marked, Err(WatchError::Store(error)) if unavailable(error)));
    }
    assert!(first.1 > second.1 && second.1 < Duration::from_secs(1), "{first:?} {second:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(mark(3).await.0.unwrap().mark.marked_seq, 2);
    assert_whole(&store, user).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_has_answered_everybody() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).await;
    let (user, _) = watch_something(&store).await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.mark(mark_request(user.id, 1_000 + n)).await.is_ok() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    store.close().await;
    let mut answered = 0;
    for task in tasks {
        answered += u64::from(task.await.unwrap());
    }
    assert!(matches!(
        store.mark(mark_request(user.id, 1)).await,
        Err(WatchError::Store(error)) if unavailable(&error)
    ));
    assert_eq!(seq(&open(folder.path()).await, user.id).await, answered + 1);
}

async fn seq(store: &SqlStore, user: UserId) -> u64 {
    assert_whole(store, user).await;
    store.history(user).await.unwrap().unwrap().seq
}
