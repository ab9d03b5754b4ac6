//! Contract of the `throttles` port.

use std::time::Duration;

use futures_util::future::join_all;

use super::setup::at;
use crate::{
    domain::{LoginDelays, Quota, RateLimit, Timestamp},
    ports::{Charge, Meter},
    testing::SqlPorts,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DELAYS: LoginDelays = LoginDelays { free_failures: 5, first: SECOND, most: HOUR };
/// Whose logins are counted.
const WHO: &str = "failures:somebody";

fn meter(name: &str, count: u32, period: Duration) -> Meter {
    let count = count.try_into().unwrap();
    Meter { name: name.to_owned(), limit: RateLimit { count, period } }
}

async fn charge(ports: &SqlPorts, meters: &[Meter], now: Timestamp) -> Charge {
    ports.throttles.charge(meters, now).await.unwrap()
}

async fn attempt(ports: &SqlPorts, now: Timestamp) -> Option<Duration> {
    ports.throttles.attempt(WHO, &DELAYS, now).await.unwrap()
}

/// As many as the limit says, then one for each share of its period; what is left is told.
pub async fn a_limit_is_kept(ports: &SqlPorts) {
    let meters = [meter("login:a", 3, SECOND * 30)];
    let left = |remaining, full_in: u32| Quota { remaining, full_in: SECOND * full_in };
    for (second, refused_for, quota) in [
        (0, None, left(2, 10)),
        (0, None, left(1, 20)),
        (1, None, left(0, 29)),
        (1, Some(SECOND * 9), left(0, 29)),
        (9, Some(SECOND), left(0, 21)),
        (10, None, left(0, 30)),
        (100, None, left(2, 10)),
    ] {
        let charged = charge(ports, &meters, at(second)).await;
        assert_eq!(charged, Charge { refused_for, quotas: vec![quota] }, "second {second}");
    }
    let other = charge(ports, &[meter("login:b", 3, SECOND * 30)], at(0)).await;
    assert_eq!(other.quotas, [left(2, 10)], "names are nothing to each other");
}

/// Where one of several meters has nothing left, none is charged; the longest wait counts.
pub async fn several_are_charged_together_or_not_at_all(ports: &SqlPorts) {
    let (narrow, wide) = (meter("z", 1, HOUR), meter("a", 2, HOUR));
    let both = [narrow.clone(), wide.clone()];
    let charged = charge(ports, &both, at(0)).await;
    let remaining: Vec<u32> = charged.quotas.iter().map(|quota| quota.remaining).collect();
    assert_eq!((charged.refused_for, remaining), (None, vec![0, 1]), "in the order of asking");
    for _ in 0..3 {
        assert_eq!(charge(ports, &both, at(0)).await.refused_for, Some(HOUR));
    }
    let last = charge(ports, std::slice::from_ref(&wide), at(0)).await;
    assert_eq!((last.refused_for, last.quotas[0].remaining), (None, 0));
    assert_eq!(charge(ports, &both, at(0)).await.refused_for, Some(HOUR));
    assert_eq!(charge(ports, &[wide], at(0)).await.refused_for, Some(HOUR / 2));
    assert!(charge(ports, &[], at(0)).await.quotas.is_empty());
}

/// Of many at once exactly as many are let in as the limit says, whatever order their meters
/// come in.
pub async fn a_limit_is_exact_however_many_come_at_once(ports: &SqlPorts) {
    let (shared, own) = (meter("shared", 20, HOUR), meter("own", 1_000, HOUR));
    let orders = [[shared.clone(), own.clone()], [own.clone(), shared]];
    let charged = join_all((0..80).map(|n| charge(ports, &orders[n % 2], at(0)))).await;
    let admitted = charged.iter().filter(|charged| charged.refused_for.is_none()).count();
    assert_eq!(admitted, 20);
    assert_eq!(charge(ports, &[own], at(0)).await.quotas[0].remaining, 979);
}

/// Five failures cost nothing, the next ones more and more; meanwhile nobody is let in, and asking
/// costs nothing more.
pub async fn failures_slow_down_what_comes_after_them(ports: &SqlPorts) {
    for _ in 0..6 {
        assert_eq!(attempt(ports, at(0)).await, None);
    }
    for _ in 0..3 {
        assert_eq!(attempt(ports, at(0)).await, Some(SECOND));
    }
    assert_eq!(attempt(ports, at(1)).await, None);
    assert_eq!(attempt(ports, at(1)).await, Some(SECOND * 2));
    assert_eq!(ports.throttles.attempt("failures:b", &DELAYS, at(1)).await.unwrap(), None);
}

/// Of many guesses at once no more are let in than if they came one after another.
pub async fn guesses_at_once_do_not_slip_through(ports: &SqlPorts) {
    let waits = join_all((0..40).map(|_| attempt(ports, at(0)))).await;
    assert_eq!(waits.iter().filter(|wait| wait.is_none()).count(), 6);
}

/// A login that succeeds wipes the slate.
pub async fn a_success_forgets_the_failures(ports: &SqlPorts) {
    for second in 0..2 {
        for _ in 0..6 {
            assert_eq!(attempt(ports, at(second)).await, None);
        }
        assert!(attempt(ports, at(second)).await.is_some());
        ports.throttles.forget(WHO).await.unwrap();
    }
    ports.throttles.forget("nobody").await.unwrap();
}

/// An attempt that is taken back is as if it had never been.
pub async fn what_came_to_no_verdict_does_not_count(ports: &SqlPorts) {
    for _ in 0..20 {
        assert_eq!(attempt(ports, at(0)).await, None);
        ports.throttles.withdraw(WHO, &DELAYS).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(attempt(ports, at(0)).await, None);
    }
    assert_eq!(attempt(ports, at(0)).await, None);
    ports.throttles.withdraw(WHO, &DELAYS).await.unwrap();
    assert_eq!(attempt(ports, at(0)).await, None, "nor does what it cost");
    assert_eq!(attempt(ports, at(0)).await, Some(SECOND));
    ports.throttles.withdraw("nobody", &DELAYS).await.unwrap();
}

/// A day after the last failure nothing is known of any.
pub async fn failures_are_forgotten_after_a_day(ports: &SqlPorts) {
    const DAY: i64 = 86_400;
    for second in [0, DAY - 1, 2 * DAY] {
        for _ in 0..3 {
            assert_eq!(attempt(ports, at(second)).await, None);
        }
        if second == DAY - 1 {
            assert!(attempt(ports, at(second)).await.is_some(), "six are within a day");
        }
    }
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! throttles_contract {
    ($make:path) => {
        $crate::contract_cases!(
            throttles,
            $make,
            [
                a_limit_is_kept,
                several_are_charged_together_or_not_at_all,
                a_limit_is_exact_however_many_come_at_once,
                failures_slow_down_what_comes_after_them,
                guesses_at_once_do_not_slip_through,
                a_success_forgets_the_failures,
                what_came_to_no_verdict_does_not_count,
                failures_are_forgotten_after_a_day,
            ]
        );
    };
}
