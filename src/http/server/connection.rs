//! A connection that is given up when its peer keeps it waiting.
//!
//! The HTTP library has a timer for the first head on a connection and none for later ones, for a
//! body that nobody reads, or for a peer that does not take its answer. Here every byte passes, so
//! here is where they all are.

#[cfg(test)]
mod tests;

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
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
pub(crate) struct Exchange(Rc<Cell<Phase>>);

impl Exchange {
    /// A head has become a request.
    pub(crate) fn begins(&self) {
        self.0.set(Phase::Answering);
    }

    /// More is sent of an answer that is made while it is taken.
    pub(crate) fn goes_on(&self) {
        self.0.set(Phase::Idle { since: Instant::now() });
    }

    /// The request has its answer, which may be the last one.
    pub(crate) fn ends(&self, keep_alive: bool) {
        let since = Instant::now();
        self.0.set(if keep_alive { Phase::Idle { since } } else { Phase::Closing { since } });
    }
}

/// A stream with deadlines.
pub(super) struct Connection<S> {
    stream: S,
    exchange: Exchange,
    https_only: bool,
    /// Bytes that were read in this turn.
    taken: usize,
    /// What is written instead of the library's own words, until it is.
    instead: Option<Vec<u8>>,
    /// Since when the peer has taken nothing of what is to be sent.
    stalled: Option<Instant>,
    /// Fires at the deadline or before: setting it for each request would cost more than looking
    /// at it in vain every few seconds.
    timer: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, https_only: bool) -> Self {
        Self {
            stream,
            exchange: Exchange(Rc::new(Cell::new(Phase::Arriving { since: Instant::now() }))),
            https_only,
            taken: 0,
            instead: None,
            stalled: None,
            timer: Box::pin(sleep(ARRIVAL)),
        }
    }

    /// For the layers, which see its requests.
    pub(super) fn exchange(&self) -> Exchange {
        self.exchange.clone()
    }

    /// Whether the peer has kept it waiting for too long; else the task is woken when it has.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let stall = self.stalled.map(|since| since + STALL);
        let deadline = self.exchange.0.get().deadline().into_iter().chain(stall).min();
        if let Some(deadline) = deadline.filter(|it| *it < self.timer.deadline()) {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return true;
            }
            // Nobody asks when an answer ends: look again.
            self.timer.as_mut().reset(deadline.unwrap_or(now + ARRIVAL));
        }
        false
    }

    /// Notes that something has come; whether that took too long.
    fn received(&self) -> bool {
        match self.exchange.0.get() {
            Phase::Idle { .. } => {
                self.exchange.0.set(Phase::Arriving { since: Instant::now() });
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
        if let Phase::Arriving { .. } = self.exchange.0.get() {
            let answer = bare::problem(StatusCode::REQUEST_TIMEOUT, self.https_only);
            // A courtesy: where it cannot be sent at once, it is not sent.
            let _ = Pin::new(&mut self.stream).poll_write(cx, &answer);
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
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let overdue = match polled {
            Poll::Pending => {
                self.taken = 0;
                self.poll_overdue(cx)
            }
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                self.taken += buf.filled().len() - before;
                self.received()
            }
            Poll::Ready(_) => false,
        };
        if overdue { Poll::Ready(Err(self.give_up(cx))) } else { polled }
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
                let polled = Pin::new(&mut this.stream).poll_write(cx, problem);
                polled.map_ok(|_| buf.len())
            }
            None => Pin::new(&mut this.stream).poll_write(cx, buf),
        };
        if polled.is_ready() {
            self.instead = None;
            self.stalled = None;
            return polled;
        }
        self.stalled.get_or_insert_with(Instant::now);
        if self.poll_overdue(cx) { Poll::Ready(Err(self.give_up(cx))) } else { Poll::Pending }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
