//! Contract of the trending port.

use std::sync::Arc;

use futures_util::future::join_all;

use super::catalogue::samples::movie_id;
use crate::{
    domain::{Hour, MovieId, Timestamp},
    testing::DocumentPorts,
};

/// 2026-03-01T12:00:00Z and so many hours.
fn hour(after: i64) -> Hour {
    Hour::from_number(Hour::of(Timestamp::from_millis(1_772_366_400_000)).number() + after)
}

fn scores(of: &[(i64, u64)]) -> Vec<(MovieId, u64)> {
    of.iter().map(|(movie, score)| (movie_id(*movie), *score)).collect()
}

async fn add(ports: &DocumentPorts, after: i64, of: &[(i64, u64)]) {
    ports.trending.add_scores(hour(after), &scores(of)).await.unwrap();
}

async fn top(ports: &DocumentPorts, since: i64, limit: u32) -> Vec<(MovieId, u64)> {
    ports.trending.top_movies(hour(since), limit).await.unwrap()
}

/// Before the first score there is no top, and adding none adds none.
pub async fn nothing_trends_at_first(ports: &DocumentPorts) {
    assert!(top(ports, 0, 10).await.is_empty());
    add(ports, 0, &[]).await;
    ports.trending.purge_scores(hour(0)).await.unwrap();
    assert!(top(ports, 0, 10).await.is_empty());
}

/// The scores of a movie add up, within an hour and over hours; earlier hours do not count.
pub async fn scores_add_up_from_an_hour_on(ports: &DocumentPorts) {
    add(ports, 0, &[(1, 5), (2, 1)]).await;
    add(ports, 0, &[(1, 2), (1, 1)]).await;
    add(ports, 3, &[(2, 4), (3, 6)]).await;
    assert_eq!(top(ports, 0, 10).await, scores(&[(1, 8), (3, 6), (2, 5)]));
    assert_eq!(top(ports, 1, 10).await, scores(&[(3, 6), (2, 4)]));
    assert_eq!(top(ports, 3, 10).await, scores(&[(3, 6), (2, 4)]));
    assert!(top(ports, 4, 10).await.is_empty());
}

/// Highest first, ties to the lowest id, no more than asked for.
pub async fn the_top_is_ordered_and_limited(ports: &DocumentPorts) {
    add(ports, 0, &[(10, 3), (9, 3), (700, 3), (2, 2), (30, 7)]).await;
    add(ports, 1, &[(2, 1)]).await;
    let whole = scores(&[(30, 7), (2, 3), (9, 3), (10, 3), (700, 3)]);
    assert_eq!(top(ports, 0, 100).await, whole);
    assert_eq!(top(ports, 0, 3).await, whole[..3]);
    assert!(top(ports, 0, 0).await.is_empty());
}

/// Purging takes the hours before, and no others.
pub async fn purging_takes_earlier_hours_only(ports: &DocumentPorts) {
    for after in -2..=1 {
        add(ports, after, &[(1, 1)]).await;
    }
    ports.trending.purge_scores(hour(0)).await.unwrap();
    assert_eq!(top(ports, -10, 10).await, scores(&[(1, 2)]));
    add(ports, -1, &[(2, 9)]).await;
    assert_eq!(top(ports, -10, 10).await, scores(&[(2, 9), (1, 2)]));
}

/// What many add at once is all counted, from the very first on.
pub async fn scores_added_at_once_all_count(ports: &DocumentPorts) {
    let adders = (0..8).map(|adder| {
        let trending = Arc::clone(&ports.trending);
        tokio::spawn(async move {
            for turn in 0..10 {
                let batch = scores(&[(1, 1), (2, 2), (100 + adder, 1)]);
                trending.add_scores(hour(turn % 2), &batch).await.unwrap();
            }
        })
    });
    join_all(adders).await.into_iter().for_each(|added| added.unwrap());
    let mut expected = vec![(2, 160), (1, 80)];
    expected.extend((0..8).map(|adder| (100 + adder, 10)));
    assert_eq!(top(ports, 0, 100).await, scores(&expected));
}

/// One test for each case: `trending_contract!(async function giving ports)`.
#[macro_export]
macro_rules! trending_contract {
    ($make:path) => {
        $crate::contract_cases!(
            trending,
            $make,
            [
                nothing_trends_at_first,
                scores_add_up_from_an_hour_on,
                the_top_is_ordered_and_limited,
                purging_takes_earlier_hours_only,
                scores_added_at_once_all_count,
            ]
        );
    };
}
