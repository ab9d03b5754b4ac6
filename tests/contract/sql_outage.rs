//! A database server that is silent, gone, or only slow: no call hangs, and calls work again soon
//! after it is back, although the connections of before may be dead without knowing it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{AnyConnection, Connection};
use watchme::adapters::sql::{SqlSettings, SqlStore};
use watchme_actors::{
    domain::{Timestamp, UserId},
    ports::{Accounts, Lease, LeaseOwner, Outbox, Probe, StoreError, Subscriptions, WatchLog},
};

use crate::{
    sql::{CreateAccount, mark_request, watch_something},
    support::{
        mysql::TestDatabase,
        proxy::{Line, Proxy},
    },
};

/// What a call may take while the server is silent.
const BOUND: Duration = Duration::from_millis(2_500);
/// What calls may take to work again once it is back.
const RECOVERY: Duration = Duration::from_secs(5);

struct Behind {
    store: SqlStore,
    proxy: Proxy,
    database: TestDatabase,
}

async fn behind_a_proxy() -> Option<Behind> {
    let database = TestDatabase::fresh().await?;
    let proxy = Proxy::before_url(&database.url()).await;
    let store = SqlStore::open(&SqlSettings::new(proxy.url(&database.url()))).await.unwrap();
    Some(Behind { store, proxy, database })
}

/// A call of every kind: reading, reading in a snapshot, writing. How each ended.
async fn calls(store: &SqlStore, user: UserId, movie: i64) -> [Result<(), StoreError>; 6] {
    let now = Timestamp::now();
    let seconds = Duration::from_secs(1);
    let owner = LeaseOwner::generate();
    let lease = format!("lease {movie}");
    let (check, held, account, backlog, leased, history) = tokio::join!(
        store.check(),
        store.holdings(user, now),
        store.user(user),
        store.backlog(),
        store.acquire(&lease, owner, seconds),
        store.history(user),
    );
    [
        check,
        held.map(drop),
        account.map(drop),
        backlog.map(drop),
        leased.map(drop),
        history.map(drop),
    ]
}

async fn marked(store: &SqlStore, user: UserId, movie: i64) -> bool {
    store.mark(mark_request(user, movie)).await.is_ok()
}

fn all_unavailable(ended: &[Result<(), StoreError>]) -> bool {
    ended.iter().all(|end| matches!(end, Err(StoreError::Unavailable { store: "sql", .. })))
}

/// Fills the pool, so that there are connections to be lost.
async fn warm_up(store: &SqlStore, user: UserId) {
    for ended in join_all((0..8).map(|n| calls(store, user, n))).await {
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    }
}

async fn recovers(store: &SqlStore, user: UserId, movie: i64) {
    let since = Instant::now();
    while !marked(store, user, movie).await {
        assert!(since.elapsed() < RECOVERY, "not back after {:?}", since.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Not only one connection: all of them.
    let burst = Instant::now();
    for ended in join_all((0..32).map(|n| calls(store, user, n))).await {
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    }
    assert!(burst.elapsed() < Duration::from_secs(1), "the burst took {:?}", burst.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_makes_nobody_wait() {
    let Some(Behind { store, proxy, database: _database }) = behind_a_proxy().await else { return };
    let (user, _) = watch_something(&store).await;
    warm_up(&store, user.id).await;

    proxy.set(Line::Swallowed);
    let since = Instant::now();
    // More than there are connections.
    let silent = join_all((0..8).map(async |n| {
        let ended = calls(&store, user.id, n).await;
        (ended, since.elapsed())
    }));
    let marking = join_all((10..20).map(|movie| marked(&store, user.id, movie)));
    let (silent, marking) = tokio::join!(silent, marking);
    for (ended, elapsed) in silent {
        assert!(all_unavailable(&ended), "{ended:?}");
        assert!(elapsed < BOUND, "a call took {elapsed:?}");
    }
    assert!(marking.iter().all(|marked| !marked));
    assert!(since.elapsed() < BOUND, "marking took {:?}", since.elapsed());

    // Once it is known to be away, a call fails at once.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let since = Instant::now();
    assert!(all_unavailable(&calls(&store, user.id, 0).await));
    assert!(since.elapsed() < Duration::from_millis(100), "known, but {:?}", since.elapsed());

    proxy.set(Line::Open);
    recovers(&store, user.id, 30).await;
    assert!(store.renewals() > 0, "dead connections were kept");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_in_silence_are_replaced() {
    let Some(Behind { store, proxy, database: _database }) = behind_a_proxy().await else { return };
    let (user, _) = watch_something(&store).await;
    warm_up(&store, user.id).await;
    // New connections work at once: only those of before are dead, as after a failover.
    proxy.set(Line::Swallowed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.set(Line::Open);
    recovers(&store, user.id, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_are_noticed_by_nobody() {
    let Some(Behind { store, proxy, database: _database }) = behind_a_proxy().await else { return };
    let (user, _) = watch_something(&store).await;
    for round in 0..5 {
        warm_up(&store, user.id).await;
        proxy.set(Line::Cut);
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.set(Line::Open);
        assert!(marked(&store, user.id, 100 + round).await, "round {round}");
        warm_up(&store, user.id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_waited_for_no_longer() {
    let Some(Behind { store, proxy, database: _database }) = behind_a_proxy().await else { return };
    let (user, _) = watch_something(&store).await;
    warm_up(&store, user.id).await;
    proxy.set(Line::Cut);
    let since = Instant::now();
    for ended in join_all((0..8).map(|n| calls(&store, user.id, n))).await {
        assert!(all_unavailable(&ended), "{ended:?}");
    }
    assert!(since.elapsed() < BOUND, "calls took {:?}", since.elapsed());
    proxy.set(Line::Open);
    recovers(&store, user.id, 30).await;
}

/// Holds a user's row until the connection is closed.
async fn hold(database: &TestDatabase, user: UserId) -> AnyConnection {
    let mut holder = AnyConnection::connect(database.url().as_str()).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.unwrap();
    sqlx::query("UPDATE users SET name = 'held' WHERE id = ?")
        .bind(user.to_string())
        .execute(&mut holder)
        .await
        .unwrap();
    holder
}

/// A row that somebody holds is no reason to take the server for silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_held_stops_only_those_who_need_it() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let store = database.store().await;
    let (user, _) = watch_something(&store).await;
    let holder = hold(&database, user.id).await;

    let since = Instant::now();
    let others = async {
        for n in 0..40 {
            let name = format!("other{n}");
            store.create_account(&name, Timestamp::now()).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    let refused = async {
        let refused = marked(&store, user.id, 1).await;
        (refused, since.elapsed())
    };
    let ((marked_meanwhile, elapsed), ()) = tokio::join!(refused, others);
    assert!(!marked_meanwhile);
    assert!(elapsed < BOUND, "the call took {elapsed:?}");

    holder.close().await.unwrap();
    assert!(marked(&store, user.id, 1).await);
    assert_eq!(store.renewals(), 0, "good connections were given up");
    store.close().await;
}

/// Nor is a pool that those who wait for it have used up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_connections_do_not_make_the_server_silent() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let store = database.store().await;
    let (user, _) = watch_something(&store).await;
    let holder = hold(&database, user.id).await;

    // One wave has the connections, one has them as the first gives up, the last never has.
    let since = Instant::now();
    let marking = join_all((1..=40).map(|movie| marked(&store, user.id, movie))).await;
    assert!(marking.iter().all(|marked| !marked));
    assert!(since.elapsed() < BOUND, "marking took {:?}", since.elapsed());

    // Whoever needs another row is served, and does not wait for the two seconds of the others.
    let since = Instant::now();
    warm_up(&store, UserId::generate()).await;
    assert!(since.elapsed() < Duration::from_secs(2), "reading took {:?}", since.elapsed());
    holder.close().await.unwrap();
    assert!(marked(&store, user.id, 1).await);
    assert_eq!(store.renewals(), 0, "good connections were given up");
    store.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_at_once() {
    let Some(database) = TestDatabase::fresh().await else { return };
    let mut nowhere = database.url();
    nowhere.set_port(Some(9)).unwrap();
    let mut nameless = database.url();
    nameless.set_path("");
    let mut stranger = database.url();
    stranger.set_username("nobody").unwrap();
    stranger.set_password(Some("secret")).unwrap();
    for url in [nowhere, nameless, stranger] {
        let since = Instant::now();
        let refused = SqlStore::open(&SqlSettings::new(url)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
        assert!(since.elapsed() < BOUND);
    }
}
