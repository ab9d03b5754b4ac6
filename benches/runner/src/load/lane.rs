//! One thread of the client with its share of the connections.

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::mpsc::{Receiver, Sender},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::{
    runtime::Builder,
    task::{JoinSet, LocalSet},
    time::{sleep, timeout_at},
};

use super::{
    Connection, Measured, Pace, Requests, closed,
    open::{self, Idle},
};
use crate::error::{BenchError, Outcome};

/// Connections that are opened at once.
const OPENING: usize = 64;
/// Before a connection that was refused is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// For answers that are still missing at the end.
const GRACE: Duration = Duration::from_secs(10);
/// The longest start of a bad answer that is shown.
const SAMPLE: usize = 300;

/// What is counted: from when, until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Instant,
    pub(super) until: Instant,
}

/// One thread's share.
pub(super) struct Lane {
    pub(super) target: SocketAddr,
    pub(super) requests: Requests,
    /// What each connection asks when it is opened.
    pub(super) greeting: Option<Requests>,
    /// The numbers of its connections.
    pub(super) numbers: Vec<usize>,
    pub(super) pace: Pace,
}

/// What the connections of a lane share.
pub(super) struct Shared {
    target: SocketAddr,
    requests: Requests,
    pub(super) window: Window,
    measured: RefCell<Measured>,
}

impl Lane {
    /// Opens the connections, tells that they are open, and works from when it is told to start.
    pub(super) fn work(self, ready: &Sender<()>, started: &Receiver<Window>) -> Outcome<Measured> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let opening = self.numbers.iter().map(|number| async {
                let connection = opened(self.target, self.greeting.as_ref(), *number).await;
                (*number, connection.ok())
            });
            let connections: Vec<_> =
                stream::iter(opening).buffer_unordered(OPENING).collect().await;
            let gone = |_| BenchError::unexpected("the client was given up");
            ready.send(()).map_err(|_| BenchError::unexpected("the client was given up"))?;
            // The only thing that this thread could do is wait: it may as well be blocked.
            let window = started.recv().map_err(gone)?;
            let shared = Rc::new(Shared {
                target: self.target,
                requests: self.requests,
                window,
                measured: RefCell::new(Measured::new(window)),
            });
            let unopened = connections.iter().filter(|(_, connection)| connection.is_none());
            shared.measured.borrow_mut().broken = unopened.count() as u64;
            let mut tasks = JoinSet::new();
            match self.pace {
                Pace::WhenAnswered => {
                    for (number, connection) in connections {
                        tasks.spawn_local(closed::work(Rc::clone(&shared), number, connection));
                    }
                }
                Pace::Arriving(rate) => {
                    let idle: Rc<Idle> = Rc::new(RefCell::new(Some(VecDeque::new())));
                    for (number, connection) in connections {
                        let shared = Rc::clone(&shared);
                        tasks.spawn_local(open::work(shared, Rc::clone(&idle), number, connection));
                    }
                    open::arrive(&shared, &idle, rate).await;
                }
            }
            let all = async { while tasks.join_next().await.is_some() {} };
            let end = tokio::time::Instant::from_std(window.until + GRACE);
            let late = timeout_at(end, all).await.is_err();
            let mut measured = shared.measured.replace(Measured::new(window));
            if late {
                measured.unanswered = tasks.len() as u64;
            }
            Ok(measured)
        })
    }
}

/// A connection that has asked what clients ask at once.
async fn opened(
    target: SocketAddr,
    greeting: Option<&Requests>,
    number: usize,
) -> std::io::Result<Connection> {
    let mut connection = Connection::open(target).await?;
    if let Some(greeting) = greeting {
        let mut request = Vec::new();
        greeting(number, &mut request);
        connection.exchange(&request).await?;
    }
    Ok(connection)
}

impl Shared {
    /// The request that this connection sends next, into a buffer that is used again.
    pub(super) fn request(&self, number: usize, request: &mut Vec<u8>) {
        request.clear();
        (self.requests)(number, request);
    }

    /// Sends a request, over a new connection where there is none, and notes what became of it.
    pub(super) async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        request: &[u8],
        due: Instant,
        counts: impl FnOnce(Instant) -> bool,
    ) {
        let open = match connection {
            Some(open) => open,
            None => match Connection::open(self.target).await {
                Ok(opened) => connection.insert(opened),
                Err(error) => {
                    self.note_broken(&error, counts(Instant::now()));
                    return sleep(AGAIN).await;
                }
            },
        };
        match open.exchange(request).await {
            Ok(answer) => {
                let now = Instant::now();
                if counts(now) {
                    let mut measured = self.measured.borrow_mut();
                    let at = now.saturating_duration_since(self.window.from);
                    let expected = measured.note(&answer, now - due, at);
                    if !expected && measured.sample.is_none() {
                        let body = open.body(&answer);
                        let body = String::from_utf8_lossy(&body[..body.len().min(SAMPLE)]);
                        measured.sample = Some(format!("{} {body}", answer.status));
                    }
                }
                if answer.last {
                    *connection = None;
                }
            }
            Err(error) => {
                self.note_broken(&error, counts(Instant::now()));
                *connection = None;
            }
        }
    }

    fn note_broken(&self, error: &std::io::Error, counts: bool) {
        if counts {
            let mut measured = self.measured.borrow_mut();
            measured.broken += 1;
            measured.sample.get_or_insert_with(|| error.to_string());
        }
    }

    pub(super) fn note_unsent(&self) {
        self.measured.borrow_mut().unsent += 1;
    }
}
