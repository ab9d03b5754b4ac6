//! The contract of [`ChangeFeed`](crate::ports::ChangeFeed).

use std::time::Duration;

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use crate::{
    domain::{PackageId, UserId},
    ports::Change,
    testing::BusPorts,
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn heard(receiver: &mut Receiver<Change>) -> Change {
    timeout(PATIENCE, receiver.recv()).await.unwrap().unwrap()
}

/// Everybody who listens hears of every change, in its order; who announces it does so too.
pub async fn everybody_hears_of_every_change(ports: &BusPorts) {
    let (mut one, mut other) = (ports.changes.subscribe(), ports.changes.subscribe());
    let changes = [
        Change::Subscriptions(UserId::generate()),
        Change::Package(PackageId::generate()),
        Change::Account(UserId::generate()),
        Change::Genres,
        Change::Movie(550.try_into().unwrap()),
        Change::AllMovies,
    ];
    for change in changes {
        ports.changes.announce(change).await;
    }
    for change in changes {
        assert_eq!(heard(&mut one).await, change);
        assert_eq!(heard(&mut other).await, change);
    }
}

/// A listener hears of what comes after it began; announcing to nobody is no error.
pub async fn a_listener_begins_with_what_comes(ports: &BusPorts) {
    ports.changes.announce(Change::AllMovies).await;
    let mut late = ports.changes.subscribe();
    ports.changes.announce(Change::Genres).await;
    assert_eq!(heard(&mut late).await, Change::Genres);
}

/// A listener that is too slow is told that it has missed something, and holds up nobody.
pub async fn a_slow_listener_is_told(ports: &BusPorts) {
    let mut slow = ports.changes.subscribe();
    let user = UserId::generate();
    for _ in 0..100_000 {
        ports.changes.announce(Change::Account(user)).await;
    }
    let first = timeout(PATIENCE, slow.recv()).await.unwrap();
    assert!(matches!(first, Err(RecvError::Lagged(_))), "{first:?}");
    assert_eq!(heard(&mut slow).await, Change::Account(user));
}

/// Runs the suite over a feed: `changes_contract!(async function giving BusPorts)`.
#[macro_export]
macro_rules! changes_contract {
    ($make:path) => {
        $crate::contract_cases!(
            changes,
            $make,
            [
                everybody_hears_of_every_change,
                a_listener_begins_with_what_comes,
                a_slow_listener_is_told,
            ]
        );
    };
}
