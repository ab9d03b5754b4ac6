//! The client against a server of a few lines.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    Measured, Pace,
    lane::{Lane, Window},
};

const TIME: Duration = Duration::from_millis(300);
const CONNECTIONS: usize = 40;

/// Answers everything with the same, for as long as the test runs.
fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 256];
                while stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn loaded(pace: Pace, answer: &'static str) -> Measured {
    let lane = Lane {
        target: server(answer),
        requests: Arc::new(|number, request| {
            request.extend_from_slice(format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes());
        }),
        greeting: None,
        numbers: (0..CONNECTIONS).collect(),
        pace,
    };
    let ((ready, is_ready), (start, started)) = (mpsc::channel(), mpsc::channel());
    let work = thread::spawn(move || lane.work(&ready, &started));
    is_ready.recv().unwrap();
    // The connections line up before the first request is due.
    let from = Instant::now() + TIME;
    start.send(Window { from, until: from + TIME }).unwrap();
    work.join().unwrap().unwrap()
}

#[test]
fn what_is_due_is_sent_and_nothing_else() {
    // Fewer than there are connections: each finds one that is idle, however slow this machine is.
    let measured = loaded(Pace::Arriving(100.0), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    measured.all_well().unwrap();
    assert_eq!((measured.answered, measured.body()), (30, 2.0));
    assert!(measured.all_made().is_err(), "200 makes nothing");
}

#[test]
fn whoever_was_answered_asks_again() {
    let answer = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
    let measured = loaded(Pace::WhenAnswered, answer);
    measured.all_made().unwrap();
    assert!(measured.answered > 0);
    assert_eq!(measured.course.iter().sum::<u64>(), measured.answered);
}

#[test]
fn refusals_and_losses_are_told_apart() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let measured = loaded(Pace::Arriving(50.0), busy);
    assert_eq!((measured.answered, measured.refused, measured.lost()), (0, 15, 0));
    let measured =
        loaded(Pace::Arriving(50.0), "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!((measured.unexpected, measured.lost()), (15, 15));
    assert_eq!(measured.sample.as_deref(), Some("404 no"));
    assert!(measured.all_well().is_err());
    let measured = loaded(Pace::Arriving(50.0), "no HTTP");
    assert_eq!(measured.broken, 15);
}

#[test]
fn a_load_knows_how_long_after_another_it_began() {
    let from = Instant::now();
    let first = Measured::new(Window { from, until: from + TIME });
    let from = from + 3 * TIME;
    let second = Measured::new(Window { from, until: from + TIME });
    assert_eq!(second.after(&first), 2 * TIME);
    assert_eq!(first.after(&second), Duration::ZERO);
}
