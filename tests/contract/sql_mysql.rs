//! The SQL adapter over MySQL: the same suites as over SQLite, and races between replicas.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use watchme::adapters::sql::SqlStore;
use watchme_actors::{
    domain::{ApplyTo, GenreSet, RateLimit, Timestamp, UserId, Viewing, WatchEvent},
    ports::{
        Accounts, AddPlay, IdempotencyKey, Lease, LeaseOwner, Meter, Outbox, PackageEdit, Packages,
        Probe, Subscriptions, Throttles, WatchError, WatchLog,
    },
    testing::SqlPorts,
};

use crate::{
    sql::{assert_no_row_left, assert_whole, mark_request, watch_something},
    support::mysql::TestDatabase,
};

async fn fresh() -> Option<SqlPorts> {
    let database = TestDatabase::fresh().await?;
    let store = Arc::new(database.store().await);
    Some(SqlPorts {
        accounts: store.clone(),
        sessions: store.clone(),
        packages: store.clone(),
        subscriptions: store.clone(),
        watch_log: store.clone(),
        outbox: store.clone(),
        mail_queue: store.clone(),
        mail_tokens: store.clone(),
        dead_letters: store.clone(),
        lease: store.clone(),
        audit: store.clone(),
        housekeeping: store.clone(),
        throttles: store,
        keep: Box::new(database),
    })
}

mod accounts {
    watchme_actors::accounts_contract!(super::fresh);
}
mod sessions {
    watchme_actors::sessions_contract!(super::fresh);
}
mod packages {
    watchme_actors::packages_contract!(super::fresh);
}
mod subscriptions {
    watchme_actors::subscriptions_contract!(super::fresh);
}
mod watch_log {
    watchme_actors::watch_log_contract!(super::fresh);
}
mod outbox {
    watchme_actors::outbox_contract!(super::fresh);
}
mod audit {
    watchme_actors::audit_contract!(super::fresh);
}
mod addresses {
    watchme_actors::addresses_contract!(super::fresh);
}
mod mails {
    watchme_actors::mails_contract!(super::fresh);
}
mod leases {
    watchme_actors::leases_contract!(super::fresh);
}
mod throttles {
    watchme_actors::throttles_contract!(super::fresh);
}

/// Two replicas over one database.
async fn replicas() -> Option<([SqlStore; 2], TestDatabase)> {
    let database = TestDatabase::fresh().await?;
    Some(([database.store().await, database.store().await], database))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mark_comes_after_a_lowering_on_another_replica() {
    let Some(([one, other], _database)) = replicas().await else { return };
    let (user, _) = watch_something(&one).await;
    let package = one.holdings(user.id, Timestamp::now()).await.unwrap()[0].package.clone();
    let edit = |version, genre: i64| PackageEdit {
        expected_version: version,
        name: package.name.clone(),
        genres: GenreSet::from(vec![genre.try_into().unwrap()]),
        apply_to: ApplyTo::All,
        now: Timestamp::now(),
    };
    let mut passed = 0;
    for round in 0..40 {
        let version = 1 + 2 * round;
        let movies = i64::from(round) * 100 + 1_000;
        let marking = join_all((0..12).map(|n| {
            let store = if n % 2 == 0 { &one } else { &other };
            store.mark(mark_request(user.id, movies + n))
        }));
        let lowering = async {
            // At another moment of the marking in each round.
            tokio::time::sleep(Duration::from_micros(u64::from(round) * 400)).await;
            other.edit(package.id, edit(version, 35)).await.unwrap();
            one.history(user.id).await.unwrap().unwrap().seq
        };
        let (marked, then) = tokio::join!(marking, lowering);
        let last = one.history(user.id).await.unwrap().unwrap().seq;
        assert_eq!(last, then, "round {round}: a mark came after the lowering");
        for marked in marked {
            match marked {
                Ok(_) => passed += 1,
                Err(error) => assert!(matches!(error, WatchError::NotEntitled), "{error}"),
            }
        }
        one.edit(package.id, edit(version + 1, 18)).await.unwrap();
    }
    assert!((1..480).contains(&passed), "nothing was raced: {passed} of 480 passed");
    assert_whole(&one, user.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_of_one_user_leave_no_gap() {
    let Some((stores, _database)) = replicas().await else { return };
    let (user, _) = watch_something(&stores[0]).await;
    join_all((0..16).map(|client| {
        let store = &stores[client % 2];
        async move {
            for n in 0..10 {
                let movie = 1_000 + i64::try_from(client).unwrap() * 100 + n;
                store.mark(mark_request(user.id, movie)).await.unwrap();
            }
        }
    }))
    .await;
    let rows = stores[0].unpublished(1_000).await.unwrap();
    let seqs: Vec<u64> = rows
        .iter()
        .map(|row| serde_json::from_str::<WatchEvent>(&row.payload).unwrap().seq)
        .collect();
    assert_eq!(seqs, (1..=161).collect::<Vec<_>>(), "in the order of the outbox");
    assert_whole(&stores[1], user.id).await;
}

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey {
        scope: "somebody POST /plays".to_owned(),
        key: key.to_owned(),
        fingerprint: "print".to_owned(),
        previous_fingerprint: None,
    }
}

fn play(user: UserId, movie: i64) -> AddPlay {
    let now = Timestamp::now();
    let precision = watchme_actors::domain::Precision::Second;
    let viewing = Viewing { watched_at: now, precision };
    AddPlay { user, movie_id: movie.try_into().unwrap(), viewing, now }
}

/// A claim that is rolled back lets all that wait for it go on at once, who are then in each
/// other's way: the server breaks the ring, and the call is done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_raced_is_never_a_fault() {
    let Some((stores, _database)) = replicas().await else { return };
    let (user, movie) = watch_something(&stores[0]).await;
    for round in 0..15 {
        let refused = key(&format!("refused {round}"));
        let made = key(&format!("made {round}"));
        let racing = join_all((0..8).map(|n| {
            let (store, refused, made) = (&stores[n % 2], &refused, &made);
            async move {
                tokio::join!(
                    store.add_play(play(user.id, 999), Some(refused)),
                    store.add_play(play(user.id, i64::from(movie)), Some(made)),
                )
            }
        }));
        let mut plays = Vec::new();
        for (refused, made) in racing.await {
            assert!(matches!(refused, Err(WatchError::MarkNotFound)), "{refused:?}");
            plays.push(made.unwrap().into_inner());
        }
        plays.dedup();
        assert_eq!(plays.len(), 1, "round {round}");
    }
    let mark = stores[1].mark_of(user.id, movie).await.unwrap().unwrap();
    assert_eq!(mark.plays.len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_replicas_has_a_lease() {
    let Some((stores, _database)) = replicas().await else { return };
    let minute = Duration::from_secs(60);
    for round in 0..20 {
        let name = format!("relay {round}");
        let owners = [LeaseOwner::generate(), LeaseOwner::generate()];
        let reach = |n: usize, ttl| stores[n].acquire(&name, owners[n], ttl);
        let (one, other) = tokio::join!(reach(0, minute), reach(1, minute));
        assert!(one.unwrap() != other.unwrap(), "round {round}");
        let holder = usize::from(reach(1, minute).await.unwrap());
        // It runs out by the database's clock, whatever the replicas' say, and is taken over.
        assert!(reach(holder, Duration::ZERO).await.unwrap());
        let (again, taken) = tokio::join!(reach(1 - holder, minute), reach(1 - holder, minute));
        assert!(again.unwrap() && taken.unwrap(), "round {round}");
        assert!(!reach(holder, minute).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_exact_over_two_replicas() {
    let Some((stores, _database)) = replicas().await else { return };
    let limit = RateLimit { count: 100.try_into().unwrap(), period: Duration::from_secs(3_600) };
    let meters = &[Meter { name: "register:somewhere".to_owned(), limit }];
    let now = Timestamp::now();
    let charged = join_all((0..400).map(|n| stores[n % 2].charge(meters, now))).await;
    let refused = charged.into_iter().filter(|it| it.as_ref().unwrap().refused_for.is_some());
    assert_eq!(refused.count(), 300);
}

/// Given up after more and more time, so at every step of the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_given_up_leave_the_store_whole() {
    let Some(([store, _], _database)) = replicas().await else { return };
    let (user, _) = watch_something(&store).await;
    let mut given_up = 0;
    for round in 0..120 {
        let patience = Duration::from_micros(100 * (round % 60));
        let request = mark_request(user.id, 1_000 + i64::try_from(round).unwrap());
        match tokio::time::timeout(patience, store.mark(request)).await {
            Ok(marked) => drop(marked.unwrap()),
            Err(_) => given_up += 1,
        }
        assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    }
    assert!(given_up > 20, "only {given_up} were given up");
    store.mark(mark_request(user.id, 1)).await.unwrap();
    assert_whole(&store, user.id).await;
}

#[tokio::test]
async fn a_deleted_account_leaves_no_row() {
    let Some(([store, _], database)) = replicas().await else { return };
    let (user, _) = watch_something(&store).await;
    store.delete(user.id, Timestamp::now()).await.unwrap();
    assert_no_row_left(database.url().as_str()).await;
}

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once() {
    let Some((stores, _database)) = replicas().await else { return };
    let migrated = join_all(stores.iter().map(SqlStore::migrate)).await;
    assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
    stores[0].close().await;
    assert!(stores[0].check().await.is_err());
    stores[1].check().await.unwrap();
}
