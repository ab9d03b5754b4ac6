//! Contract of the `subscriptions` port.

use futures_util::future::join_all;

use super::setup::{
    at, created_now, genres, key, open_subscription, package, page, subscribe, user,
};
use crate::{
    domain::{ApplyTo, Package, PackageId, PackageRef, SubscriptionId, UserId},
    ports::{Created, NewSubscription, PackageEdit, SubscriptionError},
    testing::SqlPorts,
};

async fn edit(ports: &SqlPorts, package: &Package, name: &str, apply_to: ApplyTo) -> Package {
    let edit = PackageEdit {
        expected_version: package.version,
        name: name.parse().unwrap(),
        genres: genres(&[99]),
        apply_to,
        now: at(1),
    };
    ports.packages.edit(package.id, edit).await.unwrap()
}

fn named(package: &Package, name: &str, version: u32) -> PackageRef {
    PackageRef { id: package.id, name: name.parse().unwrap(), version }
}

async fn effective(ports: &SqlPorts, id: SubscriptionId) -> PackageRef {
    ports.subscriptions.subscription(id).await.unwrap().unwrap().package
}

/// A subscription is on the package's latest version and is found again.
pub async fn a_subscription_is_found_again(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let one = package(ports, "One", &[18]).await;
    let two = edit(ports, &one, "Two", ApplyTo::New).await;
    let new = NewSubscription { ends_at: Some(at(60)), ..open_subscription(ada, two.id) };
    let made = ports.subscriptions.subscribe(new, None).await.unwrap();
    let Created::Now(made) = made else { panic!("it was made just now") };
    assert_eq!((made.user_id, &made.package), (ada, &named(&two, "Two", 2)));
    assert_eq!((made.starts_at, made.ends_at), (at(0), Some(at(60))));
    assert_eq!(ports.subscriptions.subscription(made.id).await.unwrap(), Some(made));
    let missing = SubscriptionId::generate();
    assert_eq!(ports.subscriptions.subscription(missing).await.unwrap(), None);
}

/// What cannot be subscribed to is refused with its reason, the user's absence first.
pub async fn subscribing_is_refused_with_its_reason(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let subscribe =
        |user, package| ports.subscriptions.subscribe(open_subscription(user, package), None);
    let nobody = subscribe(UserId::generate(), PackageId::generate()).await;
    assert!(matches!(nobody, Err(SubscriptionError::UserNotFound)));
    let nothing = subscribe(ada, PackageId::generate()).await;
    assert!(matches!(nothing, Err(SubscriptionError::PackageNotFound)));
    subscribe(ada, made.id).await.unwrap();
    ports.packages.archive(made.id, at(1)).await.unwrap();
    let archived = subscribe(ada, made.id).await;
    assert!(matches!(archived, Err(SubscriptionError::PackageArchived)));
}

/// A user's subscriptions to one package never overlap in time; they may follow each other.
pub async fn subscriptions_do_not_overlap(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let bob = user(ports, "bob").await.id;
    let made = package(ports, "One", &[18]).await;
    let during = |starts: i64, ends: Option<i64>| NewSubscription {
        starts_at: at(starts),
        ends_at: ends.map(at),
        ..open_subscription(ada, made.id)
    };
    let subscribe = |new| ports.subscriptions.subscribe(new, None);
    subscribe(during(100, Some(200))).await.unwrap();
    for (starts, ends) in
        [(50, Some(101)), (199, None), (120, Some(130)), (0, None), (100, Some(200))]
    {
        let refused = subscribe(during(starts, ends)).await;
        assert!(
            matches!(refused, Err(SubscriptionError::AlreadySubscribed)),
            "from {starts} to {ends:?}"
        );
    }
    subscribe(during(50, Some(100))).await.unwrap();
    subscribe(during(200, None)).await.unwrap();
    let again = subscribe(during(300, Some(400))).await;
    assert!(matches!(again, Err(SubscriptionError::AlreadySubscribed)));
    subscribe(open_subscription(bob, made.id)).await.unwrap();
    let other = package(ports, "Other", &[18]).await;
    subscribe(open_subscription(ada, other.id)).await.unwrap();
}

/// Of requests for the same subscription at the same time one succeeds.
pub async fn subscribing_at_once_makes_one(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let done = join_all(
        (0..8).map(|_| ports.subscriptions.subscribe(open_subscription(ada, made.id), None)),
    )
    .await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    assert!(
        done.iter().all(|done| matches!(done, Ok(_) | Err(SubscriptionError::AlreadySubscribed)))
    );
}

/// The effective version is the higher of the subscription's own and the floor, with its name.
pub async fn the_effective_version_follows_the_floor(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let one = package(ports, "One", &[18]).await;
    let held = subscribe(ports, ada, one.id).await.id;
    let two = edit(ports, &one, "Two", ApplyTo::New).await;
    assert_eq!(effective(ports, held).await, named(&one, "One", 1));
    let three = edit(ports, &two, "Three", ApplyTo::All).await;
    assert_eq!(effective(ports, held).await, named(&one, "Three", 3));
    edit(ports, &three, "Four", ApplyTo::New).await;
    assert_eq!(effective(ports, held).await, named(&one, "Three", 3));
    let holdings = ports.subscriptions.holdings(ada, at(5)).await.unwrap();
    assert_eq!(holdings[0].package, named(&one, "Three", 3));

    let bob = user(ports, "bob").await.id;
    let late = subscribe(ports, bob, one.id).await;
    assert_eq!(late.package, named(&one, "Four", 4));
    assert_eq!(effective(ports, late.id).await, named(&one, "Four", 4));
    let listed = ports.subscriptions.subscriptions(ada, page(1, 10)).await.unwrap();
    assert_eq!(listed.items[0].package, named(&one, "Three", 3));
}

/// A user's list has every subscription, ended ones included, newest first.
pub async fn a_list_is_paged_newest_first(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let mut made = Vec::new();
    for n in 0..5 {
        let package = package(ports, &format!("Package {n}"), &[18]).await;
        made.push(subscribe(ports, ada, package.id).await);
    }
    made[1] = ports.subscriptions.cancel(made[1].id, at(1), at(1)).await.unwrap();
    made.reverse();
    let first = ports.subscriptions.subscriptions(ada, page(1, 4)).await.unwrap();
    assert_eq!((first.items.as_slice(), first.total_items), (&made[..4], 5));
    let second = ports.subscriptions.subscriptions(ada, page(2, 4)).await.unwrap();
    assert_eq!((second.items.as_slice(), second.total_items), (&made[4..], 5));
    let none = ports.subscriptions.subscriptions(UserId::generate(), page(1, 4)).await.unwrap();
    assert_eq!(none.total_items, 0);
}

/// Cancelling ends now or later, never earlier than now and never later than the present end.
pub async fn cancelling_only_shortens(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let held = subscribe(ports, ada, made.id).await;
    let cancel = |ends, now| ports.subscriptions.cancel(held.id, at(ends), at(now));
    let later = cancel(100, 10).await.unwrap();
    assert_eq!(later.ends_at, Some(at(100)));
    assert_eq!((later.id, later.starts_at, &later.package), (held.id, at(0), &held.package));
    assert_eq!(cancel(200, 10).await.unwrap().ends_at, Some(at(100)), "it is not prolonged");
    assert_eq!(cancel(5, 20).await.unwrap().ends_at, Some(at(20)), "it is not taken back");
    assert_eq!(cancel(30, 30).await.unwrap().ends_at, Some(at(20)), "it has ended");
    assert_eq!(cancel(10, 15).await.unwrap().ends_at, Some(at(15)));
    let stored = ports.subscriptions.subscription(held.id).await.unwrap().unwrap();
    assert_eq!(stored.ends_at, Some(at(15)));
    let unknown = ports.subscriptions.cancel(SubscriptionId::generate(), at(1), at(1)).await;
    assert!(matches!(unknown, Err(SubscriptionError::NotFound)));
}

/// After a cancellation the package can be subscribed to again, from that very moment, also when
/// the subscription was cancelled before it began.
pub async fn a_cancelled_package_can_be_had_again(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let from =
        |starts| NewSubscription { starts_at: at(starts), ..open_subscription(ada, made.id) };
    let future = ports.subscriptions.subscribe(from(500), None).await.unwrap().into_inner();
    ports.subscriptions.cancel(future.id, at(100), at(100)).await.unwrap();
    let held = ports.subscriptions.subscribe(from(0), None).await.unwrap().into_inner();
    ports.subscriptions.cancel(held.id, at(200), at(200)).await.unwrap();
    let early = ports.subscriptions.subscribe(from(199), None).await;
    assert!(matches!(early, Err(SubscriptionError::AlreadySubscribed)));
    ports.subscriptions.subscribe(from(200), None).await.unwrap();
}

/// Holdings are what counts now or will, archived packages included; nothing that has ended.
pub async fn holdings_are_what_has_not_ended(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let ending = package(ports, "Ending", &[18]).await;
    let archived = package(ports, "Archived", &[18]).await;
    let future = package(ports, "Future", &[18]).await;
    let ends = NewSubscription { ends_at: Some(at(50)), ..open_subscription(ada, ending.id) };
    ports.subscriptions.subscribe(ends, None).await.unwrap();
    subscribe(ports, ada, archived.id).await;
    ports.packages.archive(archived.id, at(1)).await.unwrap();
    let begins = NewSubscription { starts_at: at(70), ..open_subscription(ada, future.id) };
    ports.subscriptions.subscribe(begins, None).await.unwrap();
    let held = |now| async move {
        let holdings = ports.subscriptions.holdings(ada, at(now)).await.unwrap();
        holdings.iter().map(|held| (held.package.id, held.is_active(at(now)))).collect::<Vec<_>>()
    };
    let (ending, archived, future) = (ending.id, archived.id, future.id);
    assert_eq!(held(49).await, [(ending, true), (archived, true), (future, false)]);
    assert_eq!(held(50).await, [(archived, true), (future, false)]);
    assert_eq!(held(70).await, [(archived, true), (future, true)]);
    assert!(ports.subscriptions.holdings(UserId::generate(), at(0)).await.unwrap().is_empty());
}

/// A repeated request gets the first one's answer, even when the subscription has ended since.
pub async fn a_repeated_subscription_is_answered_again(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let made = package(ports, "One", &[18]).await;
    let post = key(&format!("{ada} POST /subscriptions"), "k", "print");
    let new = open_subscription(ada, made.id);
    let answers =
        join_all((0..8).map(|_| ports.subscriptions.subscribe(new.clone(), Some(&post)))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(created_now(&answers), 1);
    let first = answers.into_iter().next().unwrap().into_inner();
    ports.subscriptions.cancel(first.id, at(5), at(5)).await.unwrap();
    let again = ports.subscriptions.subscribe(new.clone(), Some(&post)).await.unwrap();
    assert_eq!(again, Created::Before(first));
    let other = key(&post.scope, "k", "other");
    let refused = ports.subscriptions.subscribe(new, Some(&other)).await;
    assert!(matches!(refused, Err(SubscriptionError::KeyReused)));
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! subscriptions_contract {
    ($make:path) => {
        $crate::contract_cases!(
            subscriptions,
            $make,
            [
                a_subscription_is_found_again,
                subscribing_is_refused_with_its_reason,
                subscriptions_do_not_overlap,
                subscribing_at_once_makes_one,
                the_effective_version_follows_the_floor,
                a_list_is_paged_newest_first,
                cancelling_only_shortens,
                a_cancelled_package_can_be_had_again,
                holdings_are_what_has_not_ended,
                a_repeated_subscription_is_answered_again,
            ]
        );
    };
}
