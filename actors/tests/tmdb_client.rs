//! TmdbClientActor over driven time: pace, coalescing, retries, patience, circuit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::Arbiter;
use futures_util::future::join_all;
use tokio::time::{Instant, pause, sleep};
use watchme_actors::{
    domain::{GenreId, MovieId, MoviePage},
    ports::MetadataError,
    supervision::{ActorError, InjectPanic},
    testing::fakes::ScriptedMetadata,
    tmdb_client::{CircuitState, TmdbClientHandle, TmdbError},
};

fn start(rate: Option<u32>) -> (ScriptedMetadata, TmdbClientHandle) {
    pause();
    start_while_time_stands_still(rate)
}

fn start_while_time_stands_still(rate: Option<u32>) -> (ScriptedMetadata, TmdbClientHandle) {
    let source = ScriptedMetadata::new();
    source.on_movie(|_| Ok(None));
    source.on_discover(|_, _| Ok(MoviePage::default()));
    let rate = rate.and_then(NonZeroU32::new);
    let client = TmdbClientHandle::start(&Arbiter::current(), Arc::new(source.clone()), rate);
    (source, client)
}

fn movie(id: i64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

fn down() -> MetadataError {
    MetadataError::Unavailable("down".into())
}

fn most_in_a_second(times: &[Instant]) -> usize {
    let second = Duration::from_secs(1);
    let within =
        |from: Instant| times.iter().filter(|at| **at >= from && **at - from < second).count();
    times.iter().map(|from| within(*from)).max().unwrap_or(0)
}

#[actix::test]
async fn the_rate_is_never_exceeded_not_even_in_the_first_second() {
    let (source, client) = start(Some(40));
    let began = Instant::now();
    let answers = join_all((1..=200).map(|id| client.movie(movie(id)))).await;
    assert!(answers.iter().all(Result::is_ok));
    let times: Vec<Instant> = source.calls().iter().map(|call| call.at).collect();
    assert_eq!(times.len(), 200);
    assert!(most_in_a_second(&times) <= 40, "{}", most_in_a_second(&times));
    assert!(began.elapsed() < Duration::from_secs(8), "and it is used: {:?}", began.elapsed());
}

#[actix::test]
async fn the_rate_holds_over_a_death_of_the_actor() {
    let (source, client) = start(Some(10));
    join_all((1..=10).map(|id| client.movie(movie(id)))).await;
    let _ = client.inject(InjectPanic::InHandler).await;
    while client.movie(movie(11)).await.is_err() {
        sleep(Duration::from_millis(1)).await;
    }
    join_all((12..=30).map(|id| client.movie(movie(id)))).await;
    let times: Vec<Instant> = source.calls().iter().map(|call| call.at).collect();
    assert!(most_in_a_second(&times) <= 10, "{}", most_in_a_second(&times));
}

#[actix::test]
async fn equal_requests_in_flight_are_one() {
    let (source, client) = start(None);
    source.set_delay(Duration::from_millis(100));
    let genre = GenreId::try_from(18).unwrap();
    let same = join_all((0..30).map(|_| client.discover(genre, 1)));
    let (same, other) = tokio::join!(same, client.discover(genre, 2));
    assert!(same.iter().all(Result::is_ok) && other.is_ok());
    assert_eq!(source.calls().len(), 2);
    assert_eq!(client.status().coalesced, 29);
    client.discover(genre, 1).await.unwrap();
    assert_eq!(source.calls().len(), 3, "an answer is not kept");
}

#[actix::test]
async fn a_request_goes_on_when_who_asked_has_gone() {
    let (source, client) = start(None);
    source.set_delay(Duration::from_secs(1));
    let first = tokio::time::timeout(Duration::from_millis(10), client.movie(movie(1))).await;
    assert!(first.is_err());
    sleep(Duration::from_millis(500)).await;
    client.movie(movie(1)).await.unwrap();
    assert_eq!(source.calls().len(), 1);
}

#[actix::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let (source, client) = start(None);
    source.queue_movie(Err(down()));
    source.queue_movie(Err(MetadataError::Malformed("half a body".into())));
    assert_eq!(client.movie(movie(1)).await, Ok(None));
    let times: Vec<Instant> = source.calls().iter().map(|call| call.at).collect();
    assert_eq!(times.len(), 3);
    assert!(times[1] > times[0] && times[2] > times[1], "with time in between");

    for error in [MetadataError::Unauthorized, MetadataError::Refused("page 501".into())] {
        source.queue_movie(Err(error.clone()));
        let before = source.calls().len();
        assert_eq!(client.movie(movie(2)).await, Err(TmdbError::Source(error)));
        assert_eq!(source.calls().len(), before + 1);
    }
    let status = client.status();
    assert_eq!((status.requests, status.retries, status.failures, status.malformed), (5, 2, 4, 1));
}

#[actix::test]
async fn nobody_asks_before_the_retry_after_is_over() {
    let (source, client) = start(None);
    let patience = Duration::from_millis(1_500);
    source.queue_movie(Err(MetadataError::RateLimited { retry_after: Some(patience) }));
    let began = Instant::now();
    let answers = join_all((1..=5).map(|id| client.movie(movie(id)))).await;
    assert!(answers.iter().all(Result::is_ok));
    let late = source.calls().iter().filter(|call| call.at - began >= patience).count();
    let early = source.calls().len() - late;
    assert!(late >= 1 && early <= 5, "{early} early, {late} late");
    source.queue_movie(Err(MetadataError::RateLimited { retry_after: Some(patience) }));
    let began = Instant::now();
    let (first, second) = tokio::join!(client.movie(movie(6)), async {
        sleep(Duration::from_millis(100)).await;
        client.movie(movie(7)).await
    });
    assert!(first.is_ok() && second.is_ok());
    assert!(
        source.calls().iter().rev().take(2).all(|call| call.at - began >= patience),
        "the other request waited too"
    );
}

#[actix::test]
async fn a_long_pause_is_told_at_once() {
    let (source, client) = start(None);
    let minute = Duration::from_secs(60);
    source.on_movie(move |_| Err(MetadataError::RateLimited { retry_after: Some(minute) }));
    let began = Instant::now();
    assert!(client.movie(movie(1)).await.is_err());
    let error = client.movie(movie(2)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(error.retry_after() > Duration::from_secs(50), "{error:?}");
    assert_eq!(source.calls().len(), 1, "one answer is enough");
    assert_eq!(client.status().circuit, CircuitState::Closed, "a source that says 429 works");
    source.on_movie(|_| Ok(None));
    sleep(minute).await;
    assert!(client.movie(movie(3)).await.is_ok());
}

async fn broken() -> (ScriptedMetadata, TmdbClientHandle) {
    let (source, client) = start(None);
    source.on_movie(|_| Err(down()));
    source.on_genres(|| Err(down()));
    for id in 1..=5 {
        assert_eq!(client.status().circuit, CircuitState::Closed, "{id}");
        assert_eq!(client.movie(movie(id)).await, Err(TmdbError::Source(down())));
    }
    assert_eq!(client.status().circuit, CircuitState::Open);
    (source, client)
}

#[actix::test]
async fn a_source_that_keeps_failing_is_left_alone() {
    let (source, client) = broken().await;
    let before = source.calls().len();
    let error = client.movie(movie(6)).await.unwrap_err();
    assert!(matches!(error, TmdbError::CircuitOpen { retry_after } if !retry_after.is_zero()));
    sleep(Duration::from_millis(1_900)).await;
    assert!(client.movie(movie(7)).await.is_err());
    assert_eq!(source.calls().len(), before, "nothing was sent");
}

#[actix::test]
async fn one_request_finds_out_that_it_works_again_even_if_nobody_asks() {
    let (source, client) = broken().await;
    let before = source.calls().len();
    source.set_delay(Duration::from_secs(1));
    source.on_genres(|| Ok(Vec::new()));
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(client.status().circuit, CircuitState::HalfOpen);
    let others = join_all((8..20).map(|id| client.movie(movie(id)))).await;
    assert!(others.iter().all(|it| matches!(it, Err(TmdbError::CircuitOpen { .. }))));
    assert_eq!(source.calls().len(), before + 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.status().circuit, CircuitState::Closed);
    source.on_movie(|_| Ok(None));
    assert!(client.movie(movie(21)).await.is_ok());
}

#[actix::test]
async fn a_probe_that_fails_leaves_the_circuit_open() {
    let (source, client) = broken().await;
    let before = source.calls().len();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(client.status().circuit, CircuitState::Open);
    let probes = source.calls().len() - before;
    assert!((20..=30).contains(&probes), "one at each end of the pause: {probes}");
    source.on_genres(|| Ok(Vec::new()));
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(client.status().circuit, CircuitState::Closed);
}

/// Silent means that a request is neither answered nor refused.
#[actix::test]
async fn a_source_that_was_silent_is_asked_again_well_within_five_seconds() {
    pause();
    for silent_for in [10_000_u64, 10_700, 11_300, 12_100, 13_900] {
        let (source, client) = start_while_time_stands_still(None);
        let silent = Arc::new(AtomicBool::new(true));
        let said = Arc::clone(&silent);
        source.set_delay(Duration::from_secs(5));
        source.on_movie(move |_| if said.load(Ordering::Relaxed) { Err(down()) } else { Ok(None) });
        source.on_genres(|| Err(down()));
        // Some that open the circuit, and some that were sent shortly before it opened.
        let waves = [0, 4_800].map(|after| {
            let client = &client;
            let ids = (1..=8).map(move |id| client.movie(movie(id * 10_000 + after)));
            async move {
                sleep(Duration::from_millis(after as u64)).await;
                join_all(ids).await
            }
        });
        tokio::join!(join_all(waves), sleep(Duration::from_millis(silent_for)));
        assert_ne!(client.status().circuit, CircuitState::Closed, "{silent_for}");
        silent.store(false, Ordering::Relaxed);
        source.set_delay(Duration::ZERO);
        source.on_genres(|| Ok(Vec::new()));
        let began = Instant::now();
        while client.movie(movie(77)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(began.elapsed() < Duration::from_millis(4_500), "{:?}", began.elapsed());
    }
}

#[actix::test]
async fn what_was_sent_before_the_source_was_left_alone_does_not_put_the_probe_off() {
    let (source, client) = start(None);
    source.on_genres(|| Err(down()));
    source.on_movie(|_| Err(MetadataError::Unauthorized));
    source.set_delay(Duration::from_millis(1_500));
    let slow = join_all((1..=8).map(|id| client.movie(movie(id))));
    let fast = async {
        sleep(Duration::from_millis(100)).await;
        source.set_delay(Duration::ZERO);
        for id in 11..=15 {
            client.movie(movie(id)).await.unwrap_err();
        }
        assert_eq!(client.status().circuit, CircuitState::Open);
        source.on_genres(|| Ok(Vec::new()));
        sleep(Duration::from_millis(2_100)).await;
        assert_eq!(client.status().circuit, CircuitState::Closed);
    };
    tokio::join!(slow, fast);
}

#[actix::test]
async fn requests_that_nobody_waits_for_any_more_are_bounded_too() {
    let (source, client) = start(Some(1));
    for id in 1..=2_000 {
        let gone = tokio::time::timeout(Duration::from_millis(1), client.movie(movie(id))).await;
        drop(gone);
    }
    assert!(matches!(client.movie(movie(3_000)).await, Err(TmdbError::Actor(ActorError::Busy))));
    sleep(Duration::from_secs(600)).await;
    assert!(source.calls().len() <= 620, "{}", source.calls().len());
    assert!(client.movie(movie(3_000)).await.is_ok());
}

#[actix::test]
async fn a_panic_is_an_error_for_who_waits_and_nothing_for_the_next() {
    let (source, client) = start(None);
    source.panic_next(1);
    assert_eq!(client.movie(movie(1)).await, Err(TmdbError::Actor(ActorError::Restarting)));
    assert_eq!(client.movie(movie(1)).await, Ok(None));
    assert_eq!(client.health().restarts, 1);
}
