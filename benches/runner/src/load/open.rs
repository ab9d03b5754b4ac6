//! Requests that arrive whether those before were answered or not.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::sleep_until};

use super::{Connection, lane::Shared};

/// What is due is looked for so often.
const TICK: Duration = Duration::from_millis(1);

/// Connections that wait for a request; the one that has waited longest gets the next. Nothing once
/// no request comes any more.
pub(super) type Idle = RefCell<Option<VecDeque<oneshot::Sender<Instant>>>>;

/// Gives idle connections what is due, `rate` a second, until the window closes.
pub(super) async fn arrive(lane: &Shared, idle: &Idle, rate: f64) {
    let window = lane.window;
    let mut arrived = 0_u32;
    loop {
        let now = Instant::now();
        loop {
            let due = window.from + Duration::from_secs_f64(f64::from(arrived) / rate);
            if due >= window.until {
                // Whoever is idle hears that nothing comes any more, and whoever would be, too.
                *idle.borrow_mut() = None;
                return;
            }
            if due > now {
                break;
            }
            arrived += 1;
            let next = idle.borrow_mut().as_mut().and_then(VecDeque::pop_front);
            if next.is_none_or(|connection| connection.send(due).is_err()) {
                lane.note_unsent();
            }
        }
        sleep_until((now + TICK).into()).await;
    }
}

/// Sends what it is given, until nothing comes any more.
pub(super) async fn work(
    lane: Rc<Shared>,
    idle: Rc<Idle>,
    number: usize,
    mut connection: Option<Connection>,
) {
    let mut request = Vec::new();
    loop {
        let (ready, given) = oneshot::channel();
        match idle.borrow_mut().as_mut() {
            Some(waiting) => waiting.push_back(ready),
            None => return,
        }
        let Ok(due) = given.await else { return };
        lane.request(number, &mut request);
        lane.exchange(&mut connection, &request, due, |_| true).await;
    }
}
