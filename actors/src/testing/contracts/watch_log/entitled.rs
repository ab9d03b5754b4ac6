//! The entitlement of new marks, decided in their own transaction.

use futures_util::future::join_all;

use super::super::setup::{
    at, events, genres, movie, movie_id, open_subscription, package, request, subscribe, user,
    viewer,
};
use crate::{
    domain::{ApplyTo, EntitlementMode, UserId},
    ports::{MarkMovie, NewSubscription, PackageEdit, WatchError},
    testing::SqlPorts,
};

fn of_genres(user: UserId, id: i64, seconds: i64, ids: &[i64]) -> MarkMovie {
    MarkMovie { movie: Some(movie(id, ids)), ..request(user, id, seconds) }
}

/// A new mark is refused for the missing user, then the missing movie, then the entitlement.
pub async fn a_new_mark_is_refused_in_order(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let nobody = MarkMovie { movie: None, ..request(UserId::generate(), 1, 1) };
    assert!(matches!(ports.watch_log.mark(nobody).await, Err(WatchError::UserNotFound)));
    let unknown = MarkMovie { movie: None, ..request(ada, 1, 1) };
    assert!(matches!(ports.watch_log.mark(unknown).await, Err(WatchError::MovieRequired)));
    let refused = ports.watch_log.mark(request(ada, 1, 1)).await;
    assert!(matches!(refused, Err(WatchError::NotEntitled)));
    assert_eq!(ports.watch_log.mark_of(ada, movie_id(1)).await.unwrap(), None);
    assert!(events(ports).await.is_empty());
    assert_eq!(ports.watch_log.sequences(&[ada]).await.unwrap()[0].seq, 0);
}

/// `any` needs one of the movie's genres, `all` every one; a movie without genres has none.
pub async fn the_mode_decides(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let all = |asked| MarkMovie { mode: EntitlementMode::All, ..asked };
    for (asked, permitted) in [
        (of_genres(ada, 1, 1, &[18, 99]), true),
        (of_genres(ada, 2, 1, &[99]), false),
        (of_genres(ada, 3, 1, &[]), false),
        (all(of_genres(ada, 4, 1, &[18, 35])), true),
        (all(of_genres(ada, 5, 1, &[18, 99])), false),
        (all(of_genres(ada, 6, 1, &[])), false),
    ] {
        let id = asked.movie_id;
        let marked = ports.watch_log.mark(asked).await;
        match marked {
            Ok(marked) => assert!(permitted && marked.created, "movie {id}"),
            Err(error) => {
                assert!(!permitted && matches!(error, WatchError::NotEntitled), "movie {id}");
            }
        }
    }
}

/// A subscription counts from its beginning, inclusive, until its end, exclusive.
pub async fn a_subscription_counts_between_its_ends(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let during = NewSubscription {
        starts_at: at(100),
        ends_at: Some(at(200)),
        ..open_subscription(ada, made.id)
    };
    ports.subscriptions.subscribe(during, None).await.unwrap();
    for (id, seconds, permitted) in
        [(1, 99, false), (2, 100, true), (3, 199, true), (4, 200, false)]
    {
        let marked = ports.watch_log.mark(request(ada, id, seconds)).await;
        assert_eq!(marked.is_ok(), permitted, "at {seconds}");
    }
}

/// Several subscriptions add up, to archived packages too; other users' do not.
pub async fn archived_packages_and_several_of_them_count(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let bob = user(ports, "bob").await.id;
    let drama = package(ports, "Drama", &[18]).await;
    let comedy = package(ports, "Comedy", &[35]).await;
    for package in [&drama, &comedy] {
        subscribe(ports, ada, package.id).await;
    }
    ports.packages.archive(drama.id, at(1)).await.unwrap();
    let both = MarkMovie { mode: EntitlementMode::All, ..of_genres(ada, 1, 5, &[18, 35]) };
    assert!(ports.watch_log.mark(both).await.unwrap().created);
    let refused = ports.watch_log.mark(request(bob, 1, 5)).await;
    assert!(matches!(refused, Err(WatchError::NotEntitled)));
}

/// A raised floor counts for the very next mark; an edit for new subscribers does not.
pub async fn the_floor_counts_at_once(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    subscribe(ports, ada, made.id).await;
    let edit = |seen, apply_to| {
        let name = "One".parse().unwrap();
        let edit = PackageEdit {
            expected_version: seen,
            name,
            genres: genres(&[35]),
            apply_to,
            now: at(1),
        };
        ports.packages.edit(made.id, edit)
    };
    edit(1, ApplyTo::New).await.unwrap();
    assert!(ports.watch_log.mark(of_genres(ada, 1, 5, &[18])).await.is_ok());
    let early = ports.watch_log.mark(of_genres(ada, 2, 5, &[35])).await;
    assert!(matches!(early, Err(WatchError::NotEntitled)));
    edit(2, ApplyTo::All).await.unwrap();
    let lowered = ports.watch_log.mark(of_genres(ada, 3, 5, &[18])).await;
    assert!(matches!(lowered, Err(WatchError::NotEntitled)));
    assert!(ports.watch_log.mark(of_genres(ada, 2, 5, &[35])).await.is_ok());
}

/// A mark that comes after a cancellation is refused, even if it was asked for before it.
pub async fn no_mark_passes_a_cancellation(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let held = ports.subscriptions.holdings(ada, at(1)).await.unwrap()[0].subscription;
    ports.subscriptions.cancel(held, at(500), at(100)).await.unwrap();
    assert!(ports.watch_log.mark(request(ada, 1, 99)).await.is_ok(), "it ends only at 500");
    ports.subscriptions.cancel(held, at(200), at(200)).await.unwrap();
    for (id, seconds) in [(2, 200), (3, 199), (4, 50)] {
        let late = ports.watch_log.mark(request(ada, id, seconds)).await;
        assert!(matches!(late, Err(WatchError::NotEntitled)), "asked for at {seconds}");
    }
    assert_eq!(ports.watch_log.watched_movies(ada).await.unwrap(), [movie_id(1)]);
}

/// Of marks beside a cancellation those succeed that came first: once one is refused, or the
/// cancellation is seen, no other passes.
pub async fn marks_beside_a_cancellation_come_before_it(ports: &SqlPorts) {
    let ada = viewer(ports, "ada").await;
    let held = ports.subscriptions.holdings(ada, at(1)).await.unwrap()[0].subscription;
    let cancelled = async {
        let cancelled = ports.subscriptions.cancel(held, at(100), at(100)).await;
        let then = ports.watch_log.watched_movies(ada).await.unwrap();
        (cancelled, then)
    };
    let before = join_all((1..=10).map(|id| ports.watch_log.mark(request(ada, id, 99))));
    let after = join_all((11..=20).map(|id| ports.watch_log.mark(request(ada, id, 99))));
    let (before, (cancelled, then), after) = tokio::join!(before, cancelled, after);
    cancelled.unwrap();
    assert!(before.iter().chain(&after).all(|m| matches!(m, Ok(_) | Err(WatchError::NotEntitled))));
    assert_eq!(ports.watch_log.watched_movies(ada).await.unwrap(), then);
    let passed = before.iter().chain(&after).filter(|marked| marked.is_ok()).count();
    assert_eq!(then.len(), passed);
}

/// Of marks beside a lowering for all those succeed that came first: once it is seen, no other
/// passes.
pub async fn marks_beside_a_lowering_come_before_it(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    subscribe(ports, ada, made.id).await;
    let edit = PackageEdit {
        expected_version: 1,
        name: "One".parse().unwrap(),
        genres: genres(&[35]),
        apply_to: ApplyTo::All,
        now: at(1),
    };
    let lowered = async {
        let lowered = ports.packages.edit(made.id, edit).await;
        let then = ports.watch_log.watched_movies(ada).await.unwrap();
        (lowered, then)
    };
    let before = join_all((1..=10).map(|id| ports.watch_log.mark(request(ada, id, 1))));
    let after = join_all((11..=20).map(|id| ports.watch_log.mark(request(ada, id, 1))));
    let (before, (lowered, then), after) = tokio::join!(before, lowered, after);
    lowered.unwrap();
    assert!(before.iter().chain(&after).all(|m| matches!(m, Ok(_) | Err(WatchError::NotEntitled))));
    assert_eq!(ports.watch_log.watched_movies(ada).await.unwrap(), then);
}
