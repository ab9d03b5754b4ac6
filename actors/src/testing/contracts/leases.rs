//! Contract of the `leases` port.

use std::time::Duration;

use futures_util::future::join_all;

use crate::{ports::LeaseOwner, testing::SqlPorts};

const MINUTE: Duration = Duration::from_secs(60);

/// One owner holds a lease; renewing it keeps it.
pub async fn a_lease_has_one_owner(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, MINUTE).await.unwrap());
    assert!(!ports.lease.acquire("relay", second, MINUTE).await.unwrap());
    assert!(ports.lease.acquire("relay", first, MINUTE).await.unwrap());
    assert!(!ports.lease.acquire("relay", second, MINUTE).await.unwrap());
}

/// Leases of different names are nothing to each other.
pub async fn leases_are_told_apart_by_name(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, MINUTE).await.unwrap());
    assert!(ports.lease.acquire("genres", second, MINUTE).await.unwrap());
    assert!(!ports.lease.acquire("genres", first, MINUTE).await.unwrap());
}

/// A lease that has run out is anybody's; whoever held it is no longer its owner.
pub async fn a_lease_runs_out(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, Duration::ZERO).await.unwrap());
    assert!(ports.lease.acquire("relay", second, MINUTE).await.unwrap());
    assert!(!ports.lease.acquire("relay", first, MINUTE).await.unwrap());
}

/// Renewing sets the time anew, also to a shorter one.
pub async fn a_renewal_sets_the_time(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, MINUTE).await.unwrap());
    assert!(ports.lease.acquire("relay", first, Duration::ZERO).await.unwrap());
    assert!(ports.lease.acquire("relay", second, MINUTE).await.unwrap());
}

/// Giving up frees a lease at once; only its owner can.
pub async fn only_the_owner_gives_a_lease_up(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, MINUTE).await.unwrap());
    ports.lease.release("relay", second).await.unwrap();
    assert!(!ports.lease.acquire("relay", second, MINUTE).await.unwrap());
    ports.lease.release("relay", first).await.unwrap();
    assert!(ports.lease.acquire("relay", second, MINUTE).await.unwrap());
    ports.lease.release("unknown", first).await.unwrap();
}

/// Of owners who reach for a lease at the same time one gets it.
pub async fn reaching_at_once_gives_one_owner(ports: &SqlPorts) {
    let taken =
        join_all((0..8).map(|_| ports.lease.acquire("relay", LeaseOwner::generate(), MINUTE)))
            .await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
}

/// A time to live beyond all measure is a long one, not a fault.
pub async fn an_endless_lease_is_a_long_one(ports: &SqlPorts) {
    let (first, second) = (LeaseOwner::generate(), LeaseOwner::generate());
    assert!(ports.lease.acquire("relay", first, Duration::MAX).await.unwrap());
    assert!(!ports.lease.acquire("relay", second, MINUTE).await.unwrap());
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! leases_contract {
    ($make:path) => {
        $crate::contract_cases!(
            leases,
            $make,
            [
                a_lease_has_one_owner,
                leases_are_told_apart_by_name,
                a_lease_runs_out,
                a_renewal_sets_the_time,
                only_the_owner_gives_a_lease_up,
                reaching_at_once_gives_one_owner,
                an_endless_lease_is_a_long_one,
            ]
        );
    };
}
