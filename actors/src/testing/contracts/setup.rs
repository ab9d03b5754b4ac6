//! What the SQL suites need before they can begin: users, packages, subscriptions, movies.

use crate::{
    domain::{
        EntitlementMode, GenreId, GenreSet, MovieId, MovieSnapshot, Package, PackageId,
        PageRequest, Precision, Role, Subscription, Timestamp, User, UserId, Viewing, WatchEvent,
    },
    ports::{Created, IdempotencyKey, MarkMovie, NewAccount, NewPackage, NewSubscription},
    testing::SqlPorts,
};

/// 2026-03-01T12:00:00Z plus some seconds.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000 + seconds * 1_000)
}

pub(super) fn page(number: u32, size: u32) -> PageRequest {
    PageRequest::new(number, size).unwrap()
}

/// An account `<name>@example.com`, asked for at [`at`]`(0)`.
pub(super) fn account(name: &str) -> NewAccount {
    NewAccount {
        email: format!("{name}@example.com").parse().unwrap(),
        email_verified: true,
        name: name.parse().unwrap(),
        role: Role::User,
        password_hash: format!("hash of {name}"),
        now: at(0),
    }
}

pub(super) async fn user(ports: &SqlPorts, name: &str) -> User {
    ports.accounts.create(account(name), None).await.unwrap().into_inner()
}

pub(super) async fn admin(ports: &SqlPorts, name: &str) -> User {
    let account = NewAccount { role: Role::Admin, ..account(name) };
    ports.accounts.create(account, None).await.unwrap().into_inner()
}

pub(super) fn genre(id: i64) -> GenreId {
    GenreId::try_from(id).unwrap()
}

pub(super) fn genres(ids: &[i64]) -> GenreSet {
    ids.iter().copied().map(genre).collect()
}

pub(super) fn new_package(name: &str, ids: &[i64]) -> NewPackage {
    NewPackage { name: name.parse().unwrap(), genres: genres(ids), created_by: None, now: at(0) }
}

pub(super) async fn package(ports: &SqlPorts, name: &str, ids: &[i64]) -> Package {
    ports.packages.create(new_package(name, ids), None).await.unwrap().into_inner()
}

/// An open subscription from [`at`]`(0)`.
pub(super) fn open_subscription(user: UserId, package: PackageId) -> NewSubscription {
    NewSubscription { user, package, starts_at: at(0), ends_at: None, now: at(0) }
}

pub(super) async fn subscribe(ports: &SqlPorts, user: UserId, package: PackageId) -> Subscription {
    ports
        .subscriptions
        .subscribe(open_subscription(user, package), None)
        .await
        .unwrap()
        .into_inner()
}

/// A user who subscribes to a package of their own with the genres 18 and 35 from [`at`]`(0)`.
pub(super) async fn viewer(ports: &SqlPorts, name: &str) -> UserId {
    let user = user(ports, name).await.id;
    let package = package(ports, &format!("package of {name}"), &[18, 35]).await;
    subscribe(ports, user, package.id).await;
    user
}

pub(super) fn movie_id(id: i64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

pub(super) fn movie(id: i64, ids: &[i64]) -> MovieSnapshot {
    MovieSnapshot { id: movie_id(id), title: format!("Movie {id}"), genres: genres(ids) }
}

/// A viewing to the second, some seconds after [`at`]`(0)`.
pub(super) fn viewing(seconds: i64) -> Viewing {
    Viewing { watched_at: at(seconds), precision: Precision::Second }
}

/// A request to mark a movie of genre 18, asked for `seconds` after [`at`]`(0)`.
pub(super) fn request(user: UserId, id: i64, seconds: i64) -> MarkMovie {
    MarkMovie {
        user,
        movie_id: movie_id(id),
        movie: Some(movie(id, &[18])),
        viewing: None,
        mode: EntitlementMode::Any,
        now: at(seconds),
    }
}

/// The same, with a viewing `watched` seconds after [`at`]`(0)`.
pub(super) fn request_viewed(user: UserId, id: i64, seconds: i64, watched: i64) -> MarkMovie {
    MarkMovie { viewing: Some(viewing(watched)), ..request(user, id, seconds) }
}

/// Every event that waits, in the order of the outbox.
pub(super) async fn events(ports: &SqlPorts) -> Vec<WatchEvent> {
    let rows = ports.outbox.unpublished(10_000).await.unwrap();
    rows.iter()
        .map(|row| {
            let event: WatchEvent = serde_json::from_str(&row.payload).unwrap();
            assert_eq!(
                (row.event_id, row.user_id, row.kind.as_str()),
                (event.id, event.user_id, event.change.kind()),
                "the row repeats what its payload says"
            );
            event
        })
        .collect()
}

pub(super) fn key(scope: &str, key: &str, fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey {
        scope: scope.to_owned(),
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        previous_fingerprint: None,
    }
}

/// How many of these were created now.
pub(super) fn created_now<T>(answers: &[Created<T>]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Created::Now(_))).count()
}
