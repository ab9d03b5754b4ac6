//! Contract of the reports port.

use std::sync::Arc;

use futures_util::future::join_all;

use super::catalogue::samples::{genre_id, movie_id};
use crate::{
    domain::{LastFilm, Projection, UserId},
    testing::DocumentPorts,
};

fn projection(user_id: UserId, last_seq: u64, total_films: u64) -> Projection {
    Projection {
        user_id,
        last_seq,
        total_films,
        films_by_genre: [(genre_id(18), total_films), (genre_id(10770), 1)].into(),
        last_film: Some(LastFilm { movie_id: movie_id(550), movie_name: "Fight \"Club\"".into() }),
    }
}

async fn stored(ports: &DocumentPorts, user: UserId) -> Option<Projection> {
    ports.reports.projection(user).await.unwrap()
}

/// Before the first event there is no projection.
pub async fn an_unknown_user_has_none(ports: &DocumentPorts) {
    let user = UserId::generate();
    assert_eq!(stored(ports, user).await, None);
    assert!(ports.reports.projections(&[user]).await.unwrap().is_empty());
    assert!(ports.reports.projections(&[]).await.unwrap().is_empty());
    ports.reports.erase(user).await.unwrap();
}

/// Step by step from nothing; each reads back whole.
pub async fn events_advance_step_by_step(ports: &DocumentPorts) {
    let user = UserId::generate();
    for seq in 1..=3 {
        let next = projection(user, seq, seq * 10);
        assert!(ports.reports.advance(seq - 1, &next).await.unwrap());
        assert_eq!(stored(ports, user).await, Some(next));
    }
    let bare = Projection { last_seq: 4, ..Projection::empty(user) };
    assert!(ports.reports.advance(3, &bare).await.unwrap());
    assert_eq!(stored(ports, user).await, Some(bare));
}

/// A duplicate, a gap and a start that is not the first leave everything as it was.
pub async fn only_the_stored_sequence_advances(ports: &DocumentPorts) {
    let user = UserId::generate();
    assert!(!ports.reports.advance(1, &projection(user, 2, 1)).await.unwrap());
    assert_eq!(stored(ports, user).await, None);
    let second = projection(user, 2, 2);
    assert!(ports.reports.replace(&second).await.unwrap());
    for from in [0, 1, 3, 100] {
        let next = projection(user, from + 1, 99);
        assert!(!ports.reports.advance(from, &next).await.unwrap(), "from {from}");
        assert_eq!(stored(ports, user).await, Some(second.clone()));
    }
}

/// Several at once, each with its own guard: who is not where it should be holds up nobody.
pub async fn several_advance_at_once(ports: &DocumentPorts) {
    let users: Vec<UserId> = (0..60).map(|_| UserId::generate()).collect();
    for user in &users[20..] {
        assert!(ports.reports.replace(&projection(*user, 5, 1)).await.unwrap());
    }
    // In turn: absent and to begin, absent and not; where it should be, behind, ahead.
    let from = |n: usize| match n {
        0..20 => [0, 1][n % 2],
        _ => [5, 4, 6, 0][n % 4],
    };
    let steps: Vec<(u64, Projection)> =
        users.iter().enumerate().map(|(n, user)| (from(n), projection(*user, 7, 2))).collect();
    let outcomes = ports.reports.advance_all(&steps).await;
    assert_eq!(outcomes.len(), steps.len());
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let right = from(n) == if n < 20 { 0 } else { 5 };
        assert_eq!(outcome.unwrap(), right, "{n}");
        let before = (n >= 20).then(|| projection(users[n], 5, 1));
        let expected = if right { Some(projection(users[n], 7, 2)) } else { before };
        assert_eq!(stored(ports, users[n]).await, expected, "{n}");
    }
    assert!(ports.reports.advance_all(&[]).await.is_empty());
}

/// A stored projection that has no event yet counts as the absent one does.
pub async fn a_stored_zero_advances(ports: &DocumentPorts) {
    let user = UserId::generate();
    assert!(ports.reports.replace(&Projection::empty(user)).await.unwrap());
    assert!(ports.reports.advance(0, &projection(user, 1, 1)).await.unwrap());
    assert_eq!(stored(ports, user).await, Some(projection(user, 1, 1)));
}

/// A rebuilt projection stays out of the way of a newer one, and of no other.
pub async fn a_rebuilt_projection_never_goes_back(ports: &DocumentPorts) {
    let user = UserId::generate();
    assert!(ports.reports.replace(&projection(user, 5, 5)).await.unwrap());
    assert!(!ports.reports.replace(&projection(user, 4, 99)).await.unwrap());
    assert_eq!(stored(ports, user).await, Some(projection(user, 5, 5)));
    assert!(ports.reports.replace(&projection(user, 5, 6)).await.unwrap());
    assert!(ports.reports.replace(&projection(user, 9, 7)).await.unwrap());
    assert_eq!(stored(ports, user).await, Some(projection(user, 9, 7)));
}

/// Several at once: those that are there, each under its user, whatever is asked twice.
pub async fn several_are_read_at_once(ports: &DocumentPorts) {
    let users: Vec<UserId> = (0..120).map(|_| UserId::generate()).collect();
    for user in &users[..60] {
        assert!(ports.reports.advance(0, &projection(*user, 1, 3)).await.unwrap());
    }
    let asked: Vec<UserId> = users[30..].iter().chain(&users[30..40]).copied().collect();
    let found = ports.reports.projections(&asked).await.unwrap();
    assert_eq!(found.len(), 30);
    for user in &users[30..60] {
        assert_eq!(found.get(user), Some(&projection(*user, 1, 3)));
    }
}

/// Erasing is for one user, and starts them anew.
pub async fn erasing_forgets_one_user(ports: &DocumentPorts) {
    let (gone, stays) = (UserId::generate(), UserId::generate());
    for user in [gone, stays] {
        assert!(ports.reports.replace(&projection(user, 4, 4)).await.unwrap());
    }
    ports.reports.erase(gone).await.unwrap();
    ports.reports.erase(gone).await.unwrap();
    assert_eq!(stored(ports, gone).await, None);
    assert_eq!(stored(ports, stays).await, Some(projection(stays, 4, 4)));
    assert!(!ports.reports.advance(4, &projection(gone, 5, 5)).await.unwrap());
    assert!(ports.reports.advance(0, &projection(gone, 1, 1)).await.unwrap());
}

/// Of many that fold the same event exactly one writes, at the start and later.
pub async fn one_of_many_racing_writers_advances(ports: &DocumentPorts) {
    let user = UserId::generate();
    for from in [0, 1] {
        let racers = (0..16).map(|racer| {
            let reports = Arc::clone(&ports.reports);
            let next = projection(user, from + 1, racer);
            tokio::spawn(async move { (reports.advance(from, &next).await.unwrap(), next) })
        });
        let outcomes: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = outcomes.into_iter().filter(|(won, _)| *won).collect();
        assert_eq!(winners.len(), 1, "from {from}");
        assert_eq!(stored(ports, user).await, Some(winners[0].1.clone()));
    }
}

/// However rebuilds race, the newest stays.
pub async fn the_newest_of_racing_rebuilds_stays(ports: &DocumentPorts) {
    let user = UserId::generate();
    let racers = (1..=16).map(|turn| {
        let reports = Arc::clone(&ports.reports);
        // 5 and 17 have no common factor: every sequence once, in no order.
        let rebuilt = projection(user, turn * 5 % 17, turn);
        tokio::spawn(async move { reports.replace(&rebuilt).await.unwrap() })
    });
    join_all(racers).await;
    assert_eq!(stored(ports, user).await.map(|found| found.last_seq), Some(16));
}

/// One test for each case: `reports_contract!(async function giving ports)`.
#[macro_export]
macro_rules! reports_contract {
    ($make:path) => {
        $crate::contract_cases!(
            reports,
            $make,
            [
                an_unknown_user_has_none,
                events_advance_step_by_step,
                only_the_stored_sequence_advances,
                several_advance_at_once,
                a_stored_zero_advances,
                a_rebuilt_projection_never_goes_back,
                several_are_read_at_once,
                erasing_forgets_one_user,
                one_of_many_racing_writers_advances,
                the_newest_of_racing_rebuilds_stays,
            ]
        );
    };
}
