//! The client that loads both sides: requests as bytes over plain connections, on as many threads as
//! there are cores, with as little work of its own as can be, since it shares them with the server.

mod closed;
mod connection;
mod lane;
mod open;
mod outcome;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

pub(crate) use connection::Connection;
pub(crate) use outcome::{Measured, STEP};

use crate::{
    error::{BenchError, Outcome},
    server::Server,
};
use lane::{Lane, Window};

/// Writes the request that a connection, which has this number, sends next.
pub(crate) type Requests = Arc<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

/// When a request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it was answered, and times begin there.
    WhenAnswered,
    /// So many a second, evenly, whatever became of those before, and times begin when a request was
    /// due: who is slow pays for those that had to wait. What finds no idle connection is not sent.
    Arriving(f64),
}

/// How a server is loaded.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// What each connection asks when it is opened, as most clients do; not counted.
    pub(crate) greeting: Option<Requests>,
    /// Not counted.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// For all connections to be open.
const OPENING: Duration = Duration::from_secs(30);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);

impl Load {
    /// Connections that send as soon as they were answered.
    pub(crate) fn when_answered(connections: usize, warm_up: Duration, time: Duration) -> Self {
        Self { connections, pace: Pace::WhenAnswered, greeting: None, warm_up, time }
    }

    /// Requests that arrive, so many a second.
    pub(crate) fn arriving(rate: f64, connections: usize, time: Duration) -> Self {
        let warm_up = Duration::from_millis(300);
        Self { connections, pace: Pace::Arriving(rate), greeting: None, warm_up, time }
    }
}

/// Loads a server; what it took and gave.
pub(crate) fn run(server: &Server, requests: &Requests, load: &Load) -> Outcome<Measured> {
    let cores = thread::available_parallelism()?.get();
    let threads = cores.min(load.connections).max(1);
    let (opened, all_opened) = mpsc::channel();
    let mut lanes = Vec::new();
    for thread in 0..threads {
        let (start, started) = mpsc::channel();
        let lane = Lane {
            target: server.address(),
            requests: Arc::clone(requests),
            greeting: load.greeting.clone(),
            numbers: (thread..load.connections).step_by(threads).collect(),
            pace: match load.pace {
                Pace::WhenAnswered => Pace::WhenAnswered,
                Pace::Arriving(rate) => Pace::Arriving(rate / threads as f64),
            },
        };
        let opened = opened.clone();
        lanes.push((start, thread::spawn(move || lane.work(&opened, &started))));
    }
    drop(opened);
    for _ in 0..threads {
        all_opened
            .recv_timeout(OPENING)
            .map_err(|_| BenchError::unexpected("the connections could not be opened in time"))?;
    }

    let from = Instant::now() + load.warm_up;
    let window = Window { from, until: from + load.time };
    for (start, _) in &lanes {
        // A thread that is gone is found out when it is joined.
        let _ = start.send(window);
    }
    thread::sleep(window.from.saturating_duration_since(Instant::now()));
    let cpu = server.cpu()?;
    let mut memory = server.memory()?;
    while let Some(rest) = window.until.checked_duration_since(Instant::now()) {
        thread::sleep(rest.min(LOOK));
        memory = memory.max(server.memory()?);
    }
    let cpu = server.cpu()?.saturating_sub(cpu);

    let mut measured = Measured::new(window);
    measured.cpu = cpu;
    measured.memory = memory;
    for (_, thread) in lanes {
        let part =
            thread.join().map_err(|_| BenchError::unexpected("a thread of the client died"))?;
        measured.add(&part?);
    }
    Ok(measured)
}
