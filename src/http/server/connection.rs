//! A connection that is given up when its peer keeps it waiting, and that costs little while it is idle.
//!
//! The HTTP library has a timer for the first head on a connection and none for later ones, for a
//! body that nobody reads, or for a peer that does not take its answer. Here every byte passes, so
//! here is where they all are.
//!
//! It also keeps two buffers of 8 KiB for every connection. So one that is idle comes to a rest: the
//! library is told that it has ended, and gets it anew when something comes.

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{DISCONNECT, KEEP_ALIVE, bare};

/// For a head to arrive: from the connection's beginning or, on one that is kept, from its first
/// byte.
const ARRIVAL: Duration = Duration::from_secs(8);
/// For an answer to be taken and the next request to begin. The library ends an idle connection
/// before, in order; what it would keep for ever is a body that was not read and never ends.
const IDLE: Duration = KEEP_ALIVE.saturating_add(Duration::from_secs(5));
/// For the peer to take anything at all of an answer.
const STALL: Duration = Duration::from_secs(30);
/// For an idle connection to come to a rest: short, so that of thousands that are opened at once few
/// have buffers at the same time.
const REST: Duration = Duration::from_millis(100);
/// Between two looks whether an answer has ended, which nobody tells.
const LOOK: Duration = Duration::from_millis(500);
/// How a head ends.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Bytes that are read in one turn. The library would go on until it holds 128 KiB, whatever has become
/// of those before; fifty large bodies at once would be felt.
const TURN: usize = 8 * 1024;

/// Where a connection is between its requests.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The last request was answered, and nothing has come since.
    Idle { since: Instant },
    /// What comes is not a request yet.
    Arriving { since: Instant },
    /// A request is being answered: its handler has deadlines of its own.
    Answering,
    /// The last answer is on its way.
    Closing { since: Instant },
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Idle { since } => Some(since + IDLE),
            Self::Arriving { since } => Some(since + ARRIVAL),
            Self::Answering => None,
            Self::Closing { since } => Some(since + DISCONNECT),
        }
    }
}

/// What the layers tell a connection of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Rc<State>);

#[derive(Debug)]
struct State {
    phase: Cell<Phase>,
    /// Of the last request nothing is to come any more, and nothing is to be made of its answer.
    settled: Cell<bool>,
    rests: Cell<bool>,
}

impl Exchange {
    /// A head has become a request.
    pub(crate) fn begins(&self) {
        self.0.settled.set(false);
        // One that was in the library's buffer: after its answer the connection ends in earnest.
        self.0.rests.set(false);
        self.0.phase.set(Phase::Answering);
    }

    /// More is sent of an answer that is made while it is taken.
    pub(crate) fn goes_on(&self) {
        self.0.phase.set(Phase::Idle { since: Instant::now() });
    }

    /// The request has its answer, which may be the last one. `settled`: its body was read, or it has
    /// none, and all of the answer is there.
    pub(crate) fn ends(&self, keep_alive: bool, settled: bool) {
        let since = Instant::now();
        self.0.settled.set(keep_alive && settled);
        self.0.phase.set(if keep_alive { Phase::Idle { since } } else { Phase::Closing { since } });
    }

    /// Whether the library has let go of the connection only for as long as it is idle.
    pub(super) fn rests(&self) -> bool {
        self.0.rests.get()
    }
}

/// Waits until something comes, or the peer is gone.
pub(super) async fn woken(stream: &RefCell<TcpStream>) -> io::Result<()> {
    poll_fn(|cx| stream.borrow().poll_read_ready(cx)).await
}

/// What time it is for a connection.
#[derive(PartialEq)]
enum Due {
    Nothing,
    /// It is idle.
    Rest,
    /// Its peer has kept it waiting for too long.
    GivingUp,
}

/// A stream with deadlines.
pub(super) struct Connection<S> {
    /// Outlasts what the library makes of it.
    stream: Rc<RefCell<S>>,
    exchange: Exchange,
    https_only: bool,
    /// What was read last ended a head: no part of another request is in the library's buffer.
    is_whole: bool,
    /// Bytes that were read in this turn.
    taken: usize,
    /// What is written instead of the library's own words, until it is.
    instead: Option<Vec<u8>>,
    /// Since when the peer has taken nothing of what is to be sent.
    stalled: Option<Instant>,
    /// Fires at the deadline or before: setting it for each request would cost more than looking
    /// at it in vain now and then.
    timer: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    /// From its beginning, or after a rest.
    pub(super) fn new(stream: &Rc<RefCell<S>>, https_only: bool) -> Self {
        let state = State {
            phase: Cell::new(Phase::Arriving { since: Instant::now() }),
            settled: Cell::new(false),
            rests: Cell::new(false),
        };
        Self {
            stream: Rc::clone(stream),
            exchange: Exchange(Rc::new(state)),
            https_only,
            is_whole: false,
            taken: 0,
            instead: None,
            stalled: None,
            timer: Box::pin(sleep(REST)),
        }
    }

    /// For the layers, which see its requests.
    pub(super) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// What it is time for; where that is nothing, the task is woken when it is.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Due {
        let phase = self.exchange.0.phase.get();
        let stall = self.stalled.map(|since| since + STALL);
        let end = phase.deadline().into_iter().chain(stall).min();
        let rest = match phase {
            Phase::Idle { since } if self.may_rest() => Some(since + REST),
            _ => None,
        };
        let next = end.into_iter().chain(rest).min();
        if let Some(next) = next.filter(|it| *it < self.timer.deadline()) {
            self.timer.as_mut().reset(next);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                return Due::GivingUp;
            }
            if rest.is_some_and(|rest| rest <= now) {
                return Due::Rest;
            }
            self.timer.as_mut().reset(next.unwrap_or(now + LOOK));
        }
        Due::Nothing
    }

    fn may_rest(&self) -> bool {
        self.exchange.0.settled.get() && self.is_whole && self.stalled.is_none()
    }

    /// Notes that something has come; whether that took too long.
    fn received(&self) -> bool {
        match self.exchange.0.phase.get() {
            Phase::Idle { .. } => {
                self.exchange.0.phase.set(Phase::Arriving { since: Instant::now() });
                false
            }
            // A peer that never pauses is never waited for.
            Phase::Arriving { since } => since.elapsed() > ARRIVAL,
            Phase::Answering | Phase::Closing { .. } => false,
        }
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    fn give_up(&mut self, cx: &mut Context<'_>) -> io::Error {
        if let Phase::Arriving { .. } = self.exchange.0.phase.get() {
            let answer = bare::problem(StatusCode::REQUEST_TIMEOUT, self.https_only);
            // A courtesy: where it cannot be sent at once, it is not sent.
            let _ = Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, &answer);
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken >= TURN {
            self.taken = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, buf);
        let due = match polled {
            Poll::Pending => {
                self.taken = 0;
                self.poll_due(cx)
            }
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                self.taken += buf.filled().len() - before;
                self.is_whole = buf.filled()[before..].ends_with(END_OF_HEAD);
                if self.received() { Due::GivingUp } else { Due::Nothing }
            }
            Poll::Ready(_) => Due::Nothing,
        };
        match due {
            Due::Nothing => polled,
            Due::Rest => {
                self.exchange.0.rests.set(true);
                // That nothing was read means to the library that nothing comes any more.
                Poll::Ready(Ok(()))
            }
            Due::GivingUp => Poll::Ready(Err(self.give_up(cx))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            this.instead = bare::as_problem(buf, this.https_only);
        }
        let polled = match &this.instead {
            // It is the last thing that is written: what does not fit is lost with the connection.
            Some(problem) => {
                let polled = Pin::new(&mut *this.stream.borrow_mut()).poll_write(cx, problem);
                polled.map_ok(|_| buf.len())
            }
            None => Pin::new(&mut *this.stream.borrow_mut()).poll_write(cx, buf),
        };
        if polled.is_ready() {
            self.instead = None;
            self.stalled = None;
            return polled;
        }
        self.stalled.get_or_insert_with(Instant::now);
        if self.poll_due(cx) == Due::GivingUp {
            return Poll::Ready(Err(self.give_up(cx)));
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.exchange.rests() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}
