//! Deadlines of connections, over driven time.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::pin::pin;

use futures_util::poll;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::LocalSet,
    time::{Interval, interval},
};

use super::*;

const CAPACITY: usize = 64 * 1024;

fn pair() -> (Connection<DuplexStream>, DuplexStream) {
    let (here, there) = duplex(CAPACITY);
    (Connection::new(&Rc::new(RefCell::new(here)), false), there)
}

/// A peer that sends a byte a second for as long as it can, and what it gets.
async fn drip(mut peer: DuplexStream) -> String {
    let mut seconds: Interval = interval(Duration::from_secs(1));
    while peer.write_all(b"x").await.is_ok() {
        seconds.tick().await;
    }
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads until the connection fails; after how long.
async fn failed(mut connection: Connection<DuplexStream>) -> Duration {
    let began = Instant::now();
    let mut bytes = [0; 64];
    loop {
        match connection.read(&mut bytes).await {
            Ok(0) => panic!("the peer is there"),
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                return began.elapsed();
            }
        }
    }
}

fn about(time: Duration, wanted: Duration) {
    let late = Duration::from_millis(1100);
    assert!((wanted..wanted + late).contains(&time), "{time:?} instead of {wanted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_given_up_with_a_problem() {
    let (connection, peer) = pair();
    let (time, answer) = tokio::join!(failed(connection), drip(peer));
    about(time, ARRIVAL);
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("\"request_timeout\""), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_given_up_too() {
    let (connection, _peer) = pair();
    about(failed(connection).await, ARRIVAL);
}

#[tokio::test(start_paused = true)]
async fn a_slow_second_head_has_as_long_as_the_first_one() {
    let (connection, peer) = pair();
    let exchange = connection.exchange();
    exchange.begins();
    exchange.ends(true, true);
    let slow = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drip(peer).await
    };
    let (time, answer) = tokio::join!(failed(connection), slow);
    about(time, Duration::from_secs(60) + ARRIVAL);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_not_hurried_and_what_follows_is() {
    let (connection, peer) = pair();
    let exchange = connection.exchange();
    exchange.begins();
    let handling = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        exchange.ends(true, true);
    };
    let (time, _, ()) = tokio::join!(failed(connection), drip(peer), handling);
    about(time, Duration::from_secs(30) + ARRIVAL);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_asks_about_is_seen() {
    let (connection, _peer) = pair();
    let exchange = connection.exchange();
    exchange.begins();
    let tasks = LocalSet::new();
    tasks.spawn_local(async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        exchange.ends(true, true);
    });
    // A task of its own: what wakes the other one does not wake it.
    let failed = tasks.spawn_local(failed(connection));
    let time = tasks.run_until(failed).await.unwrap();
    about(time, Duration::from_secs(30) + IDLE);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_goes_on_is_given_up_when_it_is_not_taken_any_more() {
    for keep_alive in [true, false] {
        let (connection, _peer) = pair();
        let exchange = connection.exchange();
        exchange.begins();
        exchange.ends(keep_alive, true);
        let sending = async {
            for _ in 0..10 {
                exchange.goes_on();
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        };
        let (time, ()) = tokio::join!(failed(connection), sending);
        about(time, Duration::from_secs(9 * 60) + IDLE);
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_answer_the_rest_of_a_body_is_not_waited_for() {
    let (connection, peer) = pair();
    connection.exchange().begins();
    connection.exchange().ends(false, true);
    let (time, answer) = tokio::join!(failed(connection), drip(peer));
    about(time, DISCONNECT);
    assert_eq!(answer, "", "the answer was given before");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_pauses_is_given_up() {
    let (connection, mut peer) = pair();
    let flood = async {
        while peer.write_all(&[b'x'; 1024]).await.is_ok() {
            tokio::time::advance(Duration::from_millis(10)).await;
        }
    };
    let (time, ()) = tokio::join!(failed(connection), flood);
    about(time, ARRIVAL);
}

#[tokio::test(start_paused = true)]
async fn a_fast_peer_has_its_turn_and_then_waits_for_the_next() {
    let (mut connection, mut peer) = pair();
    connection.exchange().begins();
    peer.write_all(&[b'x'; CAPACITY]).await.unwrap();
    let mut bytes = [0; TURN / 2];
    for _ in 0..2 {
        assert!(poll!(pin!(connection.read(&mut bytes))).is_ready());
    }
    assert!(poll!(pin!(connection.read(&mut bytes))).is_pending(), "it has had its turn");
    assert!(poll!(pin!(connection.read(&mut bytes))).is_ready(), "nothing is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
    let (mut connection, mut peer) = pair();
    connection.exchange().begins();
    let began = Instant::now();
    let mut bytes = [0; 1024];
    let slow = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            peer.read_exact(&mut bytes).await.unwrap();
        }
    };
    let (outcome, ()) = tokio::join!(connection.write_all(&[b'x'; 2 * CAPACITY]), slow);
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
    about(began.elapsed(), Duration::from_secs(10 * 20) + STALL);
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A connection that has answered what came.
async fn answered(came: &[u8]) -> (Connection<DuplexStream>, DuplexStream) {
    let (mut connection, mut peer) = pair();
    peer.write_all(came).await.unwrap();
    connection.read_exact(&mut vec![0; came.len()]).await.unwrap();
    connection.exchange().begins();
    connection.exchange().ends(true, true);
    (connection, peer)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_comes_to_a_rest_and_goes_on_where_it_was() {
    let (mut connection, mut peer) = answered(REQUEST).await;
    let (began, mut byte) = (Instant::now(), [0]);
    assert_eq!(connection.read(&mut byte).await.unwrap(), 0, "it ends for the library");
    about(began.elapsed(), REST);
    connection.shutdown().await.unwrap();
    let stream = Rc::clone(&connection.stream);
    assert!(connection.exchange().rests());
    drop(connection);

    peer.write_all(REQUEST).await.unwrap();
    let mut connection = Connection::new(&stream, false);
    connection.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
    connection.write_all(b"answer").await.unwrap();
    peer.read_exact(&mut [0; 6]).await.unwrap();
    connection.exchange().ends(false, true);
    assert!(!connection.exchange().rests());
    connection.shutdown().await.unwrap();
    assert_eq!(peer.read(&mut byte).await.unwrap(), 0, "an end is an end");
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_part_of_the_next_request_does_not_rest() {
    let (connection, _peer) = answered(&[REQUEST, b"GET /"].concat()).await;
    about(failed(connection).await, IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_owed_something_does_not_rest() {
    let (connection, _peer) = answered(REQUEST).await;
    connection.exchange().ends(true, false);
    about(failed(connection).await, IDLE);
    let (connection, _peer) = answered(REQUEST).await;
    connection.exchange().ends(false, true);
    about(failed(connection).await, DISCONNECT);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_in_the_buffer_ends_the_rest() {
    let (mut connection, mut peer) = answered(REQUEST).await;
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
    connection.exchange().begins();
    connection.exchange().ends(false, true);
    connection.shutdown().await.unwrap();
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "an end is an end");
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_answer_is_not_taken_does_not_rest() {
    let (mut connection, mut peer) = answered(REQUEST).await;
    let sent = vec![b'x'; 2 * CAPACITY];
    assert!(poll!(pin!(connection.write_all(&sent))).is_pending());
    tokio::time::advance(2 * REST).await;
    assert!(poll!(pin!(connection.read(&mut [0]))).is_pending());
    // Once it is, it does.
    peer.read_exact(&mut vec![0; CAPACITY]).await.unwrap();
    connection.write_all(b"x").await.unwrap();
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
}
